//! Inventories as Kolla, TripleO and people write them.

use proptest::prelude::*;

use super::*;
use crate::reach::{Become, Reach, Ssh};

const INI: &str = "\
# a comment
backup ansible_host=10.0.0.9
[control]
ctl-[0:2] ansible_user=stack ansible_become=true ; no comment sign inside a line
[control:vars]
ansible_port=2222
ansible_ssh_common_args='-o ProxyJump=bastion -F /etc/ssh/lab'
[compute]
cmp0:2200 ansible_ssh_private_key_file=\"/keys/a b\"
[everything:children]
control
compute
[all:vars]
ansible_user=root
";

const YAML: &str = "\
all:
  vars:
    ansible_user: tripleo-admin
    ansible_become: true
  children:
    overcloud:
      children:
        Controller:
          hosts:
            overcloud-controller-0: {ansible_host: 192.168.24.10}
            overcloud-controller-1:
              ansible_host: 192.168.24.11
              ansible_port: 2022
        Compute:
          hosts:
            overcloud-novacompute-0:
Undercloud:
  hosts:
    director: {ansible_connection: local}
";

fn parse(name: &str, text: &str) -> Result<Inventory, InventoryError> {
    Inventory::parse(Path::new(name), text)
}

fn names(hosts: &[Host]) -> Vec<&str> {
    hosts.iter().map(|host| host.name.as_str()).collect()
}

fn ssh(host: &Host) -> &Ssh {
    match &*host.reach {
        Reach::Ssh(ssh) => ssh,
        Reach::Local => panic!("{} is local", host.name),
    }
}

#[test]
fn ini_gives_the_control_group_with_its_variables() {
    let text = INI.replace(" ; no comment sign inside a line", "");
    let inventory = parse("hosts", &text).unwrap();
    let hosts = inventory.hosts(None).unwrap();
    assert_eq!(names(&hosts), ["ctl-0", "ctl-1", "ctl-2"]);
    let first = ssh(&hosts[0]);
    assert_eq!((first.destination.as_str(), first.port), ("ctl-0", Some(2222)));
    assert_eq!((first.user.as_deref(), &first.becoming), (Some("stack"), &Become::Sudo));
    let compute = inventory.hosts(Some("compute")).unwrap();
    let compute = ssh(&compute[0]);
    assert_eq!((compute.port, compute.user.as_deref()), (Some(2200), Some("root")));
    assert_eq!(compute.key.as_deref(), Some(Path::new("/keys/a b")));
    assert_eq!(names(&inventory.hosts(Some("everything")).unwrap()).len(), 4);
    assert_eq!(names(&inventory.hosts(Some("all")).unwrap()).len(), 5);
}

#[test]
fn yaml_gives_the_controllers_of_tripleo() {
    let inventory = parse("inventory.yaml", YAML).unwrap();
    let hosts = inventory.hosts(None).unwrap();
    assert_eq!(names(&hosts), ["overcloud-controller-0", "overcloud-controller-1"]);
    let second = ssh(&hosts[1]);
    assert_eq!((second.destination.as_str(), second.port), ("192.168.24.11", Some(2022)));
    assert_eq!((second.user.as_deref(), &second.becoming), (Some("tripleo-admin"), &Become::Sudo));
    let undercloud = inventory.hosts(Some("Undercloud")).unwrap();
    assert!(matches!(*undercloud[0].reach, Reach::Local));
}

#[test]
fn what_is_not_understood_is_told_with_file_and_line() {
    for (name, text, wanted) in [
        ("h", "[control\n", "h:1: the heading '[control' has no closing bracket"),
        ("h", "[control]\n\nctl-0 ansible_host\n", "h:3: 'ansible_host' behind the host 'ctl-0'"),
        ("h", "[control]\nctl-[0-2]\n", "h:2: '[0-2]' is no range"),
        ("h", "[control:hosts]\n", "h:1: 'hosts' is not among :children and :vars"),
        ("h", "[a:vars]\nuser root\n", "h:2: 'user root' is no variable"),
        ("h", "[a]\nc x='y\n", "h:2: a quote is not closed"),
        ("h.yaml", "all:\n  hosts:\n    a: [1\n", "h.yaml:"),
        ("h.yaml", "all:\n  host:\n", "the group 'all' has 'host', which is not among"),
        ("h.yaml", "all:\n  hosts: [a, b]\n", "'hosts' of the group 'all' is no mapping"),
    ] {
        let error = parse(name, text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
    let broken = parse("h.yaml", "all:\n  hosts:\n   a: 1\n  b: 2\n c: 3\n").unwrap_err().to_string();
    assert!(broken.starts_with("h.yaml:5: "), "{broken}");
}

#[test]
fn what_we_cannot_follow_is_told_and_not_guessed() {
    for (line, wanted) in [
        ("c ansible_host={{x}}", "ansible_host is a template"),
        ("c ansible_host='{{ x }}'", "ansible_host is a template"),
        ("c ansible_port=many", "ansible_port many is no port"),
        ("c ansible_connection=winrm", "ansible_connection winrm"),
        ("c ansible_ssh_common_args='-N'", "'-N' is not among the options"),
        ("c ansible_ssh_common_args=elsewhere", "'elsewhere' is not among the options"),
        ("c ansible_become=yes ansible_become_method=su", "only sudo is known"),
        ("c ansible_become=yes ansible_become_user=nova", "only root helps"),
    ] {
        let inventory = parse("h", &format!("[controller]\n{line}\n")).unwrap();
        let error = inventory.hosts(None).unwrap_err().to_string();
        assert!(error.starts_with("h: host c: ") && error.contains(wanted), "{line}: {error}");
    }
    let error = parse("h", "[a]\nc\n").unwrap().hosts(Some("b")).unwrap_err().to_string();
    assert!(error.contains("no group 'b'; it has a"), "{error}");
    assert!(parse("h", "").unwrap().hosts(None).is_err());
}

#[test]
fn variables_beside_the_file_count() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("hosts", "[controller]\nc0\nc1 ansible_user=own\n");
    write("group_vars/all.yml", "ansible_user: everyone\nsecret: !vault |\n  $ANSIBLE_VAULT;1.1\n");
    write("group_vars/controller/ssh.yml", "ansible_port: 2022\n");
    write("group_vars/controller/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3132\n");
    write("host_vars/c1.yaml", "ansible_host: 10.9.9.9\n");
    let hosts = Inventory::load(&folder.path().join("hosts")).unwrap().hosts(None).unwrap();
    let (first, second) = (ssh(&hosts[0]), ssh(&hosts[1]));
    assert_eq!((first.user.as_deref(), first.port), (Some("everyone"), Some(2022)));
    assert_eq!((second.user.as_deref(), second.destination.as_str()), (Some("own"), "10.9.9.9"));
    let error = Inventory::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
}

#[test]
fn a_group_in_itself_ends() {
    let inventory = parse("h", "[a:children]\nb\n[b:children]\na\n[b]\nc0\n").unwrap();
    assert_eq!(names(&inventory.hosts(Some("a")).unwrap()), ["c0"]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[a-c:\\[\\]= \n#'\"{}!&*-]{0,80}") {
        for name in ["h.ini", "h.yaml"] {
            if let Ok(inventory) = parse(name, &text) {
                let _ = inventory.hosts(None);
            }
        }
    }
}
