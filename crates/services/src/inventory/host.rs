//! From a host's variables to the way there.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Variables, ini};
use crate::reach::{Become, Reach, Ssh};
use crate::survey::Host;
use crate::view;

/// Variables whose values are words for ssh, in the order in which ssh gets them.
const ARGUMENTS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];

/// The host that an inventory describes; this very host is reached without ssh.
pub(super) fn host(name: &str, variables: &Variables) -> Result<Host, String> {
    let value = |names: &[&str]| -> Result<Option<&str>, String> {
        let Some((key, text)) = names.iter().find_map(|key| Some((key, variables.get(*key)?))) else {
            return Ok(None);
        };
        if text.contains("{{") {
            return Err(format!("{key} is a template ({text}), which only Ansible can fill in"));
        }
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    };
    let address = value(&["ansible_host", "ansible_ssh_host"])?;
    let port = match value(&["ansible_port", "ansible_ssh_port"])? {
        Some(text) => Some(text.parse::<u16>().map_err(|_| format!("ansible_port {text} is no port"))?),
        None => None,
    };
    let connection = value(&["ansible_connection"])?.unwrap_or("ssh");
    let local = match connection {
        "local" => true,
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh" => {
            port.is_none_or(|port| port == 22) && is_here(address.unwrap_or(name))
        }
        other => return Err(format!("ansible_connection {other} is not among ssh and local")),
    };
    if local {
        return Ok(Host { name: name.to_string(), reach: Arc::new(Reach::Local) });
    }
    let mut ssh = Ssh::new(address.unwrap_or(name));
    ssh.port = port;
    ssh.user = value(&["ansible_user", "ansible_ssh_user"])?.map(ToString::to_string);
    ssh.key = value(&["ansible_ssh_private_key_file", "ansible_private_key_file"])?.map(at_home);
    ssh.aileron = value(&["aileron_path"])?.map(ToString::to_string);
    for key in ARGUMENTS {
        if let Some(text) = value(&[key])? {
            let words = ini::words(text).map_err(|cause| format!("{key}: {cause}"))?;
            ssh.with_arguments(&words).map_err(|error| format!("{key}: {error}"))?;
        }
    }
    if is_true(value(&["ansible_become"])?) && ssh.user.as_deref() != Some("root") {
        match (value(&["ansible_become_method"])?, value(&["ansible_become_user"])?) {
            (None | Some("sudo" | "ansible.builtin.sudo"), None | Some("root")) => {
                ssh.becoming = Become::Sudo
            }
            (Some(method), _) if method != "sudo" => {
                return Err(format!("ansible_become_method {method}: only sudo is known"));
            }
            (_, user) => {
                return Err(format!("ansible_become_user {}: only root helps", user.unwrap_or_default()));
            }
        }
    }
    Ok(Host { name: name.to_string(), reach: Arc::new(Reach::Ssh(Box::new(ssh))) })
}

/// A host that only has a name, `HOST` or `USER@HOST`: ssh's own configuration says the rest.
pub fn host_named(name: &str) -> Host {
    let plain = name.rsplit_once('@').map_or(name, |(_, host)| host);
    let reach = if is_here(plain) { Reach::Local } else { Reach::Ssh(Box::new(Ssh::new(name))) };
    Host { name: plain.to_string(), reach: Arc::new(reach) }
}

/// Whether a name or address means the host that this process runs on.
pub fn is_here(name: &str) -> bool {
    if let Ok(address) = name.parse::<IpAddr>() {
        return view::addresses().contains(&address);
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    let short = own.split('.').next().unwrap_or(own);
    name == "localhost" || (!own.is_empty() && (name == own || name == short))
}

/// `~/` at the beginning is the operator's home.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|text| ["true", "yes", "on", "1", "y", "t"].contains(&text.to_lowercase().as_str()))
}
