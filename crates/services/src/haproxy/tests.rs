//! The rules, on answers recorded from HAProxy (recorded/README.md).

use proptest::prelude::*;

use super::*;
use crate::answer::Answer;
use crate::verdict::{Severity, Verdict};
use crate::{State, view};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("recorded/", $name, ".txt"))
    };
}

const CONFIG: &str = "\
global
  stats socket unix@/run/haproxy/x.sock mode 660 level user # the way in
listen page
  bind 127.0.0.1:1993
  stats enable
  stats auth admin:letmein
frontend api
  bind 10.0.0.9:5000 transparent
  bind :::5001
backend valkey
  option tcp-check
  tcp-check expect string role:master
listen patroni 10.0.0.8:5432
  option httpchk GET /primary
";

fn got(stat: &str) -> Answer<Facts> {
    let info = Info { uptime: 900, connections_max: 2000, ..Info::default() };
    match facts::stat(stat) {
        Ok(rows) => Answer::Got { facts: Facts { info: Some(info), rows } },
        Err(trouble) => trouble.into(),
    }
}

fn silent() -> Answer<Facts> {
    Answer::Silent { doing: "waiting for the answer of /run/haproxy/x.sock".to_string(), after_ms: 2000 }
}

/// Members on c0, c1, ...; the first has the virtual address.
fn judged(answers: Vec<Answer<Facts>>) -> (State, Judgement) {
    let context = Context { hosts: Vec::new(), missing: Vec::new(), now: 0 };
    let members: Vec<_> = answers
        .into_iter()
        .enumerate()
        .map(|(number, answer)| {
            let mut view = View { host: format!("c{number}"), ..View::default() };
            if number == 0 {
                view.addresses.push("10.0.0.9".parse().unwrap());
            }
            let target = target(&view, &[("/etc/haproxy/haproxy.cfg", CONFIG)], true, String::new());
            Member { target, answer, took_ms: 1 }
        })
        .collect();
    let judgement = judge::judge(&members, &context);
    (Verdict::state_of(&judgement.findings), judgement)
}

fn codes(judgement: &Judgement) -> Vec<&str> {
    judgement.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// State, the only finding's code, and its cause.
fn only(stat: &str) -> (State, String, String) {
    let (state, judgement) = judged(vec![got(stat)]);
    assert_eq!(judgement.findings.len(), 1, "{:?}", judgement.findings);
    (state, judgement.findings[0].code.clone(), judgement.findings[0].cause.clone())
}

#[test]
fn a_configuration_says_where_to_ask_and_what_is_built_with_one_primary() {
    let config = config::parse(CONFIG);
    assert_eq!(config.sockets, ["/run/haproxy/x.sock"]);
    assert_eq!(Vec::from_iter(config.addresses), ["10.0.0.8", "10.0.0.9"]);
    assert_eq!(Vec::from_iter(config.primaries), ["patroni", "valkey"]);
    let page = config.page.unwrap();
    assert_eq!((page.address.as_str(), page.uri.as_str()), ("127.0.0.1:1993", "/haproxy?stats"));
    assert_eq!(page.login, "admin:letmein");
}

#[test]
fn all_well_with_one_redis_and_backup_servers_only() {
    let (state, judgement) = judged(vec![got(recorded!("healthy"))]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec![]));
    assert_eq!(judgement.summary, "1 of 1 answer, 5 of 5 backends");
}

#[test]
fn lost_servers_degrade_until_none_is_left() {
    let (state, code, cause) = only(recorded!("server_down"));
    assert_eq!((state, code.as_str()), (State::Degraded, "haproxy-server-down"));
    assert!(
        cause.starts_with(
            "nova_osapi (Nova API): 2 of 3 servers usable, controller-1 DOWN (L4CON, Connection refused"
        ),
        "{cause}"
    );
    let (state, code, _) = only(recorded!("no_spare"));
    assert_eq!((state, code.as_str()), (State::Degraded, "haproxy-no-spare"));
    let (state, code, cause) = only(recorded!("backend_down"));
    assert_eq!((state, code.as_str()), (State::Failed, "haproxy-backend-down"));
    assert!(cause.starts_with("nova_osapi (Nova API): none of 3 servers usable"), "{cause}");
    let (state, _, cause) = only(recorded!("bad_503"));
    assert!(state == State::Degraded && cause.contains("(L7STS 503"), "{cause}");
}

#[test]
fn a_primary_is_needed_once() {
    let (state, code, cause) = only(recorded!("redis_without_primary"));
    assert_eq!((state, code.as_str()), (State::Failed, "haproxy-backend-down"));
    assert!(cause.contains("none is the primary"), "{cause}");
    let (state, code, _) = only(recorded!("redis_two_primaries"));
    assert_eq!((state, code.as_str()), (State::Degraded, "haproxy-two-primaries"));
}

#[test]
fn what_somebody_wanted_is_told_as_such() {
    let (state, judgement) = judged(vec![got(recorded!("taken_out"))]);
    assert_eq!((state, codes(&judgement)), (State::Ok, vec!["haproxy-taken-out"; 2]));
    assert!(judgement.findings.iter().all(|one| one.intended && one.next.contains("state ready")));
    let (state, judgement) = judged(vec![got(recorded!("frontend_stopped"))]);
    assert_eq!((state, codes(&judgement)), (State::Failed, vec!["haproxy-frontend-stopped"]));
    assert!(judgement.findings[0].intended);
}

#[test]
fn coming_and_going_is_weighed_by_how_often() {
    let (state, code, _) = only(recorded!("flapping"));
    assert_eq!((state, code.as_str()), (State::Degraded, "haproxy-flapping"));
    let Answer::Got { facts } = got(recorded!("flapping")) else { panic!("flapping") };
    let months = Info { uptime: 9_000_000, ..Info::default() };
    let (state, judgement) = judged(vec![Answer::Got { facts: Facts { info: Some(months), ..facts } }]);
    assert_eq!((state, judgement.findings[0].severity), (State::Ok, Severity::Notice));
}

#[test]
fn servers_that_nobody_has_checked_are_noted() {
    let (state, judgement) = judged(vec![got(recorded!("not_checked"))]);
    assert_eq!(state, State::Ok);
    assert!(codes(&judgement).contains(&"haproxy-no-check"), "{:?}", judgement.findings);
}

#[test]
fn what_the_one_with_the_virtual_address_sees_counts() {
    let (well, down) = (got(recorded!("healthy")), got(recorded!("backend_down")));
    let (state, judgement) = judged(vec![well.clone(), down.clone(), well.clone()]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["haproxy-backend-down"]));
    assert!(judgement.findings[0].cause.contains("(seen by c1 only, not by the other 2)"));
    assert_eq!(judged(vec![down.clone(), well.clone(), well.clone()]).0, State::Failed);
    assert_eq!(judged(vec![down.clone(), down.clone(), down]).1.findings.len(), 1);
    let (state, judgement) = judged(vec![well.clone(), silent()]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["haproxy-silent"]));
    assert!(judgement.risk.words.contains("stops all APIs"));
    assert_eq!(judged(vec![silent(), well]).0, State::Failed);
}

#[test]
fn another_configuration_is_found() {
    let less: String = recorded!("healthy")
        .lines()
        .filter(|line| !line.starts_with("custom_board"))
        .map(|line| format!("{line}\n"))
        .collect();
    let (state, judgement) = judged(vec![got(recorded!("healthy")), got(&less)]);
    assert_eq!((state, codes(&judgement)), (State::Degraded, vec!["haproxy-differs"]));
    assert!(judgement.findings[0].cause.contains("HAProxy on c1"), "{}", judgement.findings[0].cause);
}

#[test]
fn info_and_pages_are_read() {
    let info = facts::info(recorded!("info")).unwrap();
    assert_eq!((info.version.as_str(), info.connections_max), ("2.6.12-1+deb12u4", 2000));
    let rows = facts::stat(&page::body(recorded!("page").as_bytes()).unwrap()).unwrap();
    assert_eq!(rows.len(), facts::stat(recorded!("healthy")).unwrap().len());
    let denied = page::body(recorded!("page_denied").as_bytes());
    assert!(matches!(denied, Err(Trouble::Denied(_))), "{denied:?}");
}

#[test]
fn it_is_found_by_its_process_or_by_its_unit() {
    let process = |pid, arguments: &[&str]| view::Process {
        pid,
        name: "haproxy".into(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        container: None,
    };
    let started = ["haproxy", "-Ws", "-f", "/opt/ha.cfg"];
    let mut view = View { processes: vec![process(7, &started), process(8, &started)], ..View::default() };
    view.files.insert("/opt/ha.cfg".to_string(), CONFIG.to_string());
    let found = Haproxy::find(&view);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, Place::Unix("/run/haproxy/x.sock".into()));
    assert_eq!(found[0].settings["workers"], "1");
    assert_eq!(found[0].settings["elsewhere"], "10.0.0.8 10.0.0.9");
    assert!(!format!("{:?}", found[0].settings).contains("letmein"), "no password leaves the host");
    let stopped = View { units: ["haproxy.service".to_string()].into(), ..View::default() };
    assert_eq!(Haproxy::find(&stopped)[0].evidence, "unit haproxy.service is enabled");
    let mut kolla = View::default();
    kolla.files.insert("/etc/kolla/haproxy/haproxy.cfg".to_string(), CONFIG.to_string());
    assert!(!Haproxy::find(&kolla)[0].seen);
    let mut package = View::default();
    package.files.insert("/etc/haproxy/haproxy.cfg".to_string(), CONFIG.to_string());
    assert_eq!(Haproxy::find(&package), []);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "(# pxname|,|\"|\\PC|\r\n|[0-9a-f]|HTTP/1.1 200 OK\r\n\r\n){0,60}") {
        let _ = facts::info(&text);
        let _ = facts::stat(&text);
        let _ = page::body(text.as_bytes());
        let _ = config::parse(&text);
    }

    #[test]
    fn any_bytes_are_no_page(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = page::body(&bytes);
    }
}
