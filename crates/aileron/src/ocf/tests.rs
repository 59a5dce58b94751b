//! The exit codes, each for what it stands for.

use super::*;
use crate::ctl::protocol::Hello;

/// A daemon of this pid that is ready, as it greets.
fn greeting(pid: u32) -> Hello {
    Hello {
        node: "rabbit@here".into(),
        pid,
        ready: true,
        listening: true,
        standing_by: Some(false),
        log_failed: false,
        hung_disk: None,
        log_position: 64,
    }
}

fn judged(pids: &[u32], hello: Hello, promotable: bool) -> Result<Code, Code> {
    state::judge(pids, &Heard::Hello(hello), promotable).map_err(|trouble| trouble.code)
}

#[test]
fn the_role_is_whether_another_host_lets_clients_in_and_only_a_promotable_one_has_it() {
    let standby = Hello { listening: false, standing_by: Some(true), ..greeting(7) };
    let suspended = Hello { listening: false, ..greeting(7) };
    assert_eq!(judged(&[7], greeting(7), true), Ok(Code::Promoted));
    assert_eq!(judged(&[7], standby.clone(), true), Ok(Code::Success));
    assert_eq!(judged(&[7], greeting(7), false), Ok(Code::Success));
    assert_eq!(judged(&[7], standby, false), Ok(Code::Success));
    for (promotable, code) in [(true, Code::Promoted), (false, Code::Success)] {
        assert_eq!(
            judged(&[7], suspended.clone(), promotable),
            Ok(code),
            "an operator suspended the listeners"
        );
    }
    let starting = Hello { ready: false, listening: false, standing_by: None, ..greeting(7) };
    assert_eq!(judged(&[7], starting, true), Ok(Code::Success));
    for (listening, code) in [(true, Code::Promoted), (false, Code::Success)] {
        let older = Hello { listening, standing_by: None, ..greeting(7) };
        assert_eq!(judged(&[7], older, true), Ok(code), "an older release says no more");
    }
}

#[test]
fn what_lives_and_is_not_well_has_failed_and_is_never_called_stopped() {
    let failed = Hello { log_failed: true, ..greeting(7) };
    assert_eq!(judged(&[7], failed, true), Err(Code::Failed));
    let hung = Hello { hung_disk: Some("the disk has not answered".into()), ..greeting(7) };
    assert_eq!(judged(&[7], hung, true), Err(Code::Failed));
    assert_eq!(judged(&[7], greeting(8), true), Err(Code::Failed), "somebody else has the socket");
    assert_eq!(judged(&[7, 8], greeting(7), true), Err(Code::Failed), "two of them");
    for heard in [Heard::Silent, Heard::Nobody("no such file".into())] {
        let trouble = state::judge(&[7], &heard, true).expect_err("not well");
        assert_eq!(trouble.code, Code::Failed);
        assert!(trouble.reason.starts_with("the broker runs and "), "{}", trouble.reason);
    }
}

/// An agent on a folder of its own, where nothing runs.
fn agent(folder: &std::path::Path, more: &[(&str, &str)]) -> Agent {
    let own: Vec<(String, String)> = [
        ("HA_RSCTMP", folder.join("agents").display().to_string()),
        ("OCF_RESKEY_data_dir", folder.join("data").display().to_string()),
        ("OCF_RESKEY_ctl_socket", folder.join("ctl.sock").display().to_string()),
        ("OCF_RESOURCE_INSTANCE", "broker:1".to_string()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into_iter()
    .chain(more.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())))
    .collect();
    Agent::new(Parameters::from(move |wanted| {
        own.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    }))
}

#[test]
fn where_nothing_runs_a_stop_succeeds_and_the_rest_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let code = |outcome: Outcome| outcome.unwrap_or_else(|trouble| trouble.code);
    assert_eq!(code(agent(folder.path(), &[]).monitor()), Code::NotRunning);
    assert_eq!(code(agent(folder.path(), &[]).promote()), Code::NotRunning);
    assert_eq!(code(agent(folder.path(), &[]).demote()), Code::Success, "it serves nobody");
    assert_eq!(code(agent(folder.path(), &[]).stop()), Code::Success);
}

#[test]
fn a_bad_configuration_hides_nothing_and_forbids_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("aileron.toml");
    let path = file.display().to_string();
    let with_file = [("OCF_RESKEY_config", path.as_str())];
    let code = |agent: &Agent| agent.validate().err().map(|trouble| trouble.code);
    assert_eq!(code(&agent(folder.path(), &with_file)), Some(Code::NotInstalled), "no such file");
    std::fs::write(&file, "broker.heartbet = 1\n").expect("written");
    assert_eq!(code(&agent(folder.path(), &with_file)), Some(Code::Arguments));
    assert_eq!(agent(folder.path(), &with_file).stop(), Ok(Code::Success));
    assert_eq!(agent(folder.path(), &with_file).monitor(), Ok(Code::NotRunning));
    std::fs::write(&file, "[broker]\nheartbeat = 1\n").expect("written");
    assert_eq!(code(&agent(folder.path(), &with_file)), None);
    for set in ["broker.heartbeat=soon", "broker.heartbet=1", "heartbeat"] {
        assert_eq!(
            code(&agent(folder.path(), &[("OCF_RESKEY_set", set)])),
            Some(Code::NotConfigured),
            "{set}"
        );
    }
    let nowhere = [("OCF_RESKEY_data_dir", "/nonexistent/mount/data")];
    assert_eq!(code(&agent(folder.path(), &nowhere)), Some(Code::NotInstalled));
}

#[test]
fn the_clusters_words_are_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |more: &[(&str, &str)]| agent(folder.path(), more).parameters;
    let plain = read(&[]);
    assert_eq!((plain.promotable, plain.timeout, plain.depth), (false, Duration::from_secs(60), 0));
    assert_eq!(plain.mark_file(), folder.path().join("agents/aileron-broker.json"));
    let timed = read(&[("OCF_RESKEY_CRM_meta_timeout", "20000"), ("OCF_CHECK_LEVEL", "10")]);
    assert_eq!((timed.timeout, timed.depth), (Duration::from_secs(20), 10));
    for (name, value, promotable) in [
        ("OCF_RESKEY_CRM_meta_promotable", "true", true),
        ("OCF_RESKEY_CRM_meta_promoted_max", "1", true),
        ("OCF_RESKEY_CRM_meta_master_max", "1", true),
        ("OCF_RESKEY_CRM_meta_master_max", "0", false),
        ("OCF_RESKEY_CRM_meta_promotable", "", false),
    ] {
        assert_eq!(read(&[(name, value)]).promotable, promotable, "{name}={value}");
    }
    let set = read(&[("OCF_RESKEY_set", "broker.heartbeat=5  log.level=debug"), ("OCF_RESKEY_config", "/c")]);
    let (data, socket) = (folder.path().join("data"), folder.path().join("ctl.sock"));
    let socket = format!("ctl.socket={}", socket.display());
    let data = data.display().to_string();
    let words = [
        "--config",
        "/c",
        "--data-dir",
        &data,
        "--set",
        "broker.heartbeat=5",
        "--set",
        "log.level=debug",
        "--set",
        &socket,
    ];
    assert_eq!(set.arguments(), words);
}

#[test]
fn the_description_names_every_parameter_and_action() {
    let text = metadata::xml();
    assert!(
        text.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))) && !text.contains("{version}")
    );
    for name in ["config", "data_dir", "ctl_socket", "set", "user", "log", "binary"] {
        assert!(text.contains(&format!("<parameter name=\"{name}\"")), "{name}");
    }
    for action in ACTIONS.split(", ") {
        assert!(text.contains(&format!("<action name=\"{action}\"")), "{action}");
    }
}

#[test]
fn work_that_hangs_is_left_behind() {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    assert!(within(Duration::from_millis(20), move || never.recv().is_ok()).is_none());
    assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
}
