//! Asking through etcdctl: where the endpoint speaks TLS, or its JSON gateway is switched off.

use serde_json::Value;

use super::{Facts, facts};
use crate::answer::Trouble;
use crate::ask::Ask;
use crate::service::{Kind, Target};

/// Asks for the status, then for the members, each with its own time.
pub(super) async fn probe(target: &Target, ask: &Ask) -> Result<Facts, Trouble> {
    // etcdctl tries again and again where nobody listens.
    drop(ask.connect(&target.place).await?);
    let status = run(target, ask, &["endpoint", "status"], "2s").await?;
    let list: Value = serde_json::from_str(&status).unwrap_or_default();
    let mut all = Facts::parse(&list[0]["Status"].to_string())?;
    let share = ask.remaining() / 2;
    let asked = tokio::time::timeout(share, run(target, ask, &["member", "list"], "1s")).await;
    all.members = asked.ok().and_then(Result::ok).and_then(|json| facts::members(&json));
    Ok(all)
}

async fn run(target: &Target, ask: &Ask, words: &[&str], patience: &str) -> Result<String, Trouble> {
    let tls = target.settings.get("scheme").is_some_and(|scheme| scheme == "https");
    let scheme = if tls { "https" } else { "http" };
    let mut arguments: Vec<String> = vec![
        format!("--endpoints={scheme}://{}", target.place),
        "--write-out=json".to_string(),
        format!("--command-timeout={patience}"),
        format!("--dial-timeout={patience}"),
    ];
    if tls {
        arguments.extend(certificates(target, ask));
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).chain(words.iter().copied()).collect();
    let done = ask.run("etcdctl", &words).await?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(trouble(&said, target))
}

/// The operator's, else those that the daemon itself was started with.
fn certificates(target: &Target, ask: &Ask) -> Vec<String> {
    let given = ask.credential(Kind::Etcd).map(|section| &section.more);
    let of = |key: &str, option: &str| {
        given.and_then(|more| more.get(key)).or_else(|| target.settings.get(option)).cloned()
    };
    [("ca", "trusted-ca-file", "cacert"), ("cert", "cert-file", "cert"), ("key", "key-file", "key")]
        .into_iter()
        .filter_map(|(key, option, flag)| Some(format!("--{flag}={}", of(key, option)?)))
        .collect()
}

/// What etcdctl's complaint says of the member.
fn trouble(said: &str, target: &Target) -> Trouble {
    // Its log lines are JSON on one line, with the cause in `error`.
    let mut causes = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["error"].as_str().map(str::to_string));
    let cause = causes.next_back().unwrap_or_else(|| said.lines().last().unwrap_or_default().to_string());
    let cause = format!("etcdctl to {}: {}", target.place, cause.chars().take(200).collect::<String>());
    if said.contains("connection refused") || said.contains("no route to host") {
        Trouble::Down(cause)
    } else if ["certificate", "permission denied", "tls:", "no such file"]
        .iter()
        .any(|what| said.contains(what))
    {
        let remedy = "put ca, cert and key (paths) into [etcd] of the credentials file";
        Trouble::Denied(format!("{cause} ({remedy})"))
    } else {
        Trouble::Broken(cause)
    }
}
