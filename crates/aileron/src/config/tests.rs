//! Configuration: defaults, precedence, and errors in one line.

use super::*;

fn none() -> std::iter::Empty<(String, String)> {
    std::iter::empty()
}

fn set(values: &[&str]) -> Sources {
    Sources { set: values.iter().map(|value| (*value).to_string()).collect(), ..Sources::default() }
}

fn error(sources: &Sources) -> String {
    let errors = errors(sources);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().next().unwrap_or_default()
}

fn errors(sources: &Sources) -> Vec<String> {
    let errors = load(sources, none()).expect_err("refused");
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(texts.iter().all(|text| !text.contains('\n')), "one line each: {texts:?}");
    texts
}

fn file(content: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("aileron.toml");
    std::fs::write(&path, content).expect("written");
    (folder, Sources { file: Some(path), ..Sources::default() })
}

#[test]
fn defaults_are_rabbitmqs() {
    let config = load(&Sources::default(), none()).expect("defaults");
    assert_eq!(config.broker.listen, ["127.0.0.1:5672"]);
    assert_eq!(
        (config.broker.heartbeat, config.broker.frame_max, config.broker.channel_max),
        (60, 131_072, 2047)
    );
    assert_eq!(config.broker.disk_free_limit, 50_000_000);
    assert_eq!(config.broker.max_message_size, 134_217_728);
    assert_eq!(config.ctl.socket, config.broker.data_dir.join("ctl.sock"));
    assert!(config.node.name.starts_with("rabbit@"));
}

#[test]
fn set_overrides_environment_overrides_file() {
    let (_folder, mut sources) = file("[broker]\nheartbeat = 1\nframe_max = 5000\nchannel_max = 7\n");
    sources.set.push("broker.channel_max=9".into());
    let environment =
        [("AILERON_BROKER__FRAME_MAX", "6000"), ("AILERON_BROKER__CHANNEL_MAX", "8"), ("AILERON_BIN", "x")];
    let environment = environment.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    let config = load(&sources, environment).expect("good");
    assert_eq!((config.broker.heartbeat, config.broker.frame_max, config.broker.channel_max), (1, 6000, 9));
}

#[test]
fn values_are_read_with_and_without_quotes() {
    let config = load(
        &set(&[
            r#"broker.listen=["127.0.0.1:1", "[::1]:2"]"#,
            "broker.loopback_users=a,b",
            "broker.disk_free_limit=2GiB",
            "broker.memory_high_watermark=0.25",
            "broker.handshake_timeout=1.5",
            "node.name=rabbit@controller0",
            "log.level=info,broker=debug",
        ]),
        none(),
    )
    .expect("good");
    assert_eq!(config.broker.listen, ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(config.broker.loopback_users, ["a", "b"]);
    assert_eq!(config.broker.disk_free_limit, 2 << 30);
    assert_eq!(config.broker.memory_high_watermark, Watermark::Share(0.25));
    assert_eq!(config.broker.handshake_timeout, Duration::from_millis(1500));
    assert_eq!(
        load(&set(&["broker.listen=127.0.0.1:3"]), none()).expect("good").broker.listen,
        ["127.0.0.1:3"]
    );
    let absolute = load(&set(&["broker.memory_high_watermark=\"2GiB\""]), none()).expect("good");
    assert_eq!(absolute.broker.memory_high_watermark, Watermark::Bytes(2 << 30));
    let empty = load(&set(&["broker.loopback_users=[]"]), none()).expect("good");
    assert!(empty.broker.loopback_users.is_empty());
}

#[test]
fn surveys_can_be_turned_off() {
    let interval = |given: &str| load(&set(&[given]), none()).expect("good").services.interval;
    assert_eq!(load(&Sources::default(), none()).expect("good").services.interval, Duration::from_secs(30));
    assert_eq!(interval("services.interval=0"), Duration::ZERO);
    assert_eq!(interval("services.interval=0.0"), Duration::ZERO);
    assert_eq!(interval("services.interval=2.5"), Duration::from_millis(2500));
}

#[test]
fn the_data_folder_takes_the_socket_along() {
    let sources = Sources { data_dir: Some("/tmp/x".into()), ..set(&["broker.data_dir=/tmp/y"]) };
    let config = load(&sources, none()).expect("good");
    assert_eq!(config.ctl.socket, Path::new("/tmp/x/ctl.sock"));
}

#[test]
fn errors_name_key_value_and_what_is_allowed() {
    assert_eq!(
        error(&set(&["broker.heartbeat=99999"])),
        "bad value 99999 for 'broker.heartbeat' in --set: allowed is 0 to 65535 seconds; 0 for none"
    );
    assert_eq!(
        error(&set(&["broker.hartbeat=1"])),
        "unknown key 'broker.hartbeat' in --set (its value: 1): did you mean 'broker.heartbeat'? `aileron config show` lists all keys"
    );
    assert!(
        error(&set(&["zzz=1"])).ends_with("in --set (its value: 1): `aileron config show` lists all keys")
    );
    assert_eq!(error(&set(&["nonsense"])), "bad --set 'nonsense': allowed is section.key=value");
    for bad in [
        "broker.listen=[]x",
        "broker.listen=[\"5672\"]",
        "broker.listen=[]",
        "broker.listen=",
        "broker.frame_max=100",
        "broker.memory_high_watermark=1.5",
        "broker.memory_high_watermark=0",
        "broker.disk_free_limit=10 apples",
        "broker.handshake_timeout=0",
        "broker.default_user=\"\"",
        "node.name=rabbit",
        "log.level=loud",
        "journal.segment_size=1",
        "journal.disk_timeout=0.5",
        "journal.disk_timeout=3601",
        "services.interval=0.5",
        "services.interval=-1",
        "services.interval=3601",
    ] {
        assert!(error(&set(&[bad])).starts_with("bad value "), "{bad}");
    }
}

#[test]
fn files_are_named_with_the_line() {
    let (_folder, sources) = file("[broker]\nheartbeat = 5\nlisten = \n");
    assert!(error(&sources).contains("aileron.toml is not TOML: line 3: "));
    let (_folder, sources) = file("heartbeat = 5\n");
    let unknown = error(&sources);
    assert!(unknown.contains("unknown key 'heartbeat' in "), "{unknown}");
    assert!(
        unknown.contains("aileron.toml, line 1 (its value: 5): did you mean 'broker.heartbeat'?"),
        "{unknown}"
    );
    let missing = Sources { file: Some("/nonexistent/a.toml".into()), ..Sources::default() };
    assert!(error(&missing).starts_with("cannot read the configuration file /nonexistent/a.toml: "));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (_folder, mut sources) =
        file("[log]\nlevel = \"loud\"\n\n[broker]\nhartbeat = 5\nlisten = []\nframe_max = 8192\n");
    sources.set = vec!["nonsense".into(), "broker.channel_max=-1".into()];
    let errors = errors(&sources);
    let starts = [
        "bad --set 'nonsense'",
        "bad value \"loud\" for 'log.level' in ",
        "unknown key 'broker.hartbeat' in ",
        "bad value [] for 'broker.listen' in ",
        "bad value -1 for 'broker.channel_max' in --set",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    assert!(errors.iter().zip(starts).all(|(error, start)| error.starts_with(start)), "{errors:#?}");
    for (error, line) in errors.iter().skip(1).zip([2, 5, 6]) {
        assert!(error.contains(&format!("aileron.toml, line {line}")), "{error}");
    }
    let (_folder, sources) = file("[broker]\nheartbeat = \nlisten = ?\n");
    let lines = super::tests::errors(&sources);
    assert!(lines.len() >= 2 && lines.iter().all(|line| line.contains("is not TOML: line ")), "{lines:?}");
}

#[test]
fn the_file_of_variables_beside_the_configuration_counts() {
    let (folder, mut sources) = file("[broker]\nheartbeat = 1\nframe_max = 5000\nchannel_max = 7\n");
    let beside = folder.path().join("aileron.env");
    std::fs::write(
        &beside,
        "AILERON_BROKER__HEARTBEAT=2\nAILERON_BROKER__FRAME_MAX=6000\nAILERON_BROKER__CHANNEL_MAX=8\nAILERON_LOG_LEVEL=x\n",
    )
    .expect("written");
    sources.set.push("broker.channel_max=9".into());
    let environment = [("AILERON_BROKER__FRAME_MAX".to_string(), "7000".to_string())];
    let config = load(&sources, environment.into_iter()).expect("good");
    assert_eq!((config.broker.heartbeat, config.broker.frame_max, config.broker.channel_max), (2, 7000, 9));
    assert_eq!(config.environment_file.as_deref(), Some(beside.as_path()));
    assert!(
        config.warnings.iter().any(|line| line.contains("did you mean AILERON_LOG__LEVEL?")),
        "{:?}",
        config.warnings
    );
    std::fs::write(&beside, "AILERON_BROKER__HEARTBEAT=soon\n").expect("written");
    assert!(error(&sources).contains("aileron.env (AILERON_BROKER__HEARTBEAT): allowed is 0 to 65535"));
}

#[test]
fn secrets_are_never_shown() {
    assert!(!error(&set(&["broker.default_pass=[\"s3cret\"]"])).contains("s3cret"));
    assert!(!error(&set(&["broker.default_password=s3cret"])).contains("s3cret"));
    let config = load(&set(&["broker.default_pass=s3cret"]), none()).expect("good");
    assert_eq!(config.broker.default_pass, "s3cret");
    assert!(!as_toml(&config).contains("s3cret"));
    assert!(!format!("{:?}", crate::ctl::server::environment(&config)).contains("s3cret"));
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let config = load(
        &set(&["broker.heartbeat=5", "broker.memory_high_watermark=1GiB", "journal.disk_timeout=0"]),
        none(),
    )
    .expect("good");
    let (_folder, sources) = file(&as_toml(&config));
    let mut again = load(&sources, none()).expect("good");
    again.file = None;
    assert_eq!(again, config);
}
