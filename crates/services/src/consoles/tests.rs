//! Finding and judging. What websockify answers to a page is plain enough to need no recording.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::place::Place;
use crate::service::Member;
use crate::verdict::{Severity, State, Verdict};
use crate::view::{Container, Listener, Process};
use crate::{Answer, View};

fn process(pid: u32, name: &str, words: &[&str]) -> Process {
    let arguments = words.iter().map(ToString::to_string).collect();
    Process { pid, name: name.to_string(), arguments, container: None }
}

fn listener(address: &str, pid: Option<u32>) -> Listener {
    Listener { address: address.parse().unwrap(), pid }
}

fn file(path: &str, text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(path.to_string(), text.to_string())])
}

fn place(target: &Target) -> String {
    target.place.to_string()
}

#[test]
fn a_proxy_is_one_member_however_many_browsers_it_serves() {
    let mut processes = [4, 9, 12].map(|pid| process(pid, "nova-novncproxy", &["nova-novncproxy"])).to_vec();
    processes.push(process(13, "nova-novncproxy", &[]));
    let view = View {
        processes,
        // The kernel's table names one owner of a socket that the children share.
        listeners: vec![listener("10.77.0.11:6080", Some(12)), listener("10.77.0.10:6080", Some(99))],
        ..View::default()
    };
    let found = Consoles::find(&view);
    assert_eq!((found.len(), place(&found[0]).as_str(), found[0].seen), (1, "10.77.0.11:6080", true));
    assert_eq!((found[0].evidence.as_str(), found[0].settings["connections"].as_str()), ("process 4", "2"));
}

#[test]
fn haproxy_on_the_same_port_is_not_taken_for_a_dead_one() {
    let conf = "[DEFAULT]\nmy_ip = 10.77.0.11\n[vnc]\nnovncproxy_host=$my_ip\n";
    let view = View {
        units: ["tripleo_nova_vnc_proxy.service".to_string()].into(),
        files: file("/var/lib/config-data/puppet-generated/nova/etc/nova/nova.conf", conf),
        listeners: vec![listener("10.77.0.10:6080", Some(99))],
        ..View::default()
    };
    let found = Consoles::find(&view);
    assert_eq!((place(&found[0]).as_str(), found[0].seen), ("10.77.0.11:6080", false));
    assert_eq!(found[0].settings["unit"], "tripleo_nova_vnc_proxy");
}

#[test]
fn each_sort_has_its_own_place_in_kollas_configuration() {
    let mut files = file(
        "/etc/kolla/nova-novncproxy/nova.conf",
        "[vnc]\nnovncproxy_host = 10.77.0.11\nnovncproxy_port = 6099\n",
    );
    files
        .extend(file("/etc/kolla/nova-serialproxy/nova.conf", "[serial_console]\nserialproxy_port = 6098\n"));
    let container = |name: &str| Container {
        name: name.to_string(),
        image: String::new(),
        running: false,
        engine: "docker".to_string(),
    };
    let containers = ["nova_novncproxy", "nova_serialproxy", "nova_compute"].map(container).into();
    let found = Consoles::find(&View { files, containers, ..View::default() });
    let places: Vec<String> = found.iter().map(place).collect();
    assert_eq!(places, ["10.77.0.11:6099", "127.0.0.1:6098"]);
    assert_eq!(found[0].evidence, "docker container nova_novncproxy has stopped");
    assert_eq!(found[0].settings["container"], "docker nova_novncproxy");
}

#[test]
fn debians_units_start_what_their_file_says() {
    let units = ["nova-novncproxy.service", "nova-spicehtml5proxy.service", "nova-serialproxy.service"];
    let sorts = |text: &str| {
        let files = file("/etc/default/nova-consoleproxy", text);
        let view = View { units: units.map(ToString::to_string).into(), files, ..View::default() };
        Consoles::find(&view).iter().map(|target| target.settings["sort"].clone()).collect::<Vec<_>>()
    };
    let debians = "NOVA_CONSOLE_PROXY_TYPE=spicehtml5\n\nNOVA_SERIAL_PROXY_START=true\n";
    assert_eq!(sorts(debians), ["spice", "serial"]);
    assert_eq!(sorts("NOVA_CONSOLE_PROXY_TYPE=\"novnc\"\n"), ["novnc"]);
    let ubuntu = View { units: units.map(ToString::to_string).into(), ..View::default() };
    assert_eq!(Consoles::find(&ubuntu).len(), 3, "without the file they start");
}

#[test]
fn pages_are_where_users_are_sent_else_where_packages_have_them() {
    let with = |conf: &str| {
        let view = View {
            processes: vec![process(4, "nova-novncproxy", &["nova-novncproxy", "--config-file=/srv/n.conf"])],
            files: file("/srv/n.conf", conf),
            ..View::default()
        };
        let mut found = Consoles::find(&view);
        found.remove(0)
    };
    assert_eq!(find::pages(&with("")), ["/vnc_lite.html", "/vnc_auto.html"]);
    let url =
        "[vnc]\nnovncproxy_base_url = https://cloud.example.com:13080/novnc/vnc_lite.html?a=b\nssl_only=1\n";
    assert_eq!(find::pages(&with(url)), ["/novnc/vnc_lite.html"]);
    // Nothing of it may end up as a second line of the request.
    assert_eq!(find::pages(&with("[vnc]\nnovncproxy_base_url = http://c/a b\n")).len(), 2);
    assert!(!with(url).settings.contains_key("tls"), "only [DEFAULT] has that option");
    assert!(with("[DEFAULT]\nssl_only = True\n").settings.contains_key("tls"));
}

#[test]
fn of_several_files_the_last_on_the_command_line_counts() {
    let mut files =
        file("/usr/share/nova/nova-dist.conf", "[vnc]\nnovncproxy_port = 1\nnovncproxy_host = 10.77.0.11\n");
    files.extend(file("/etc/nova/nova.conf", "[vnc]\nnovncproxy_port = 6099\n"));
    files.extend(file(
        "/var/lib/config-data/puppet-generated/nova/etc/nova/nova.conf",
        "[vnc]\nnovncproxy_port = 2\n",
    ));
    let words = [
        "nova-novncproxy",
        "--config-file",
        "/usr/share/nova/nova-dist.conf",
        "--config-file=/etc/nova/nova.conf",
    ];
    let view = View { processes: vec![process(4, "nova-novncproxy", &words)], files, ..View::default() };
    assert_eq!(place(&Consoles::find(&view)[0]), "10.77.0.11:6099");
}

#[test]
fn ours_counts_only_where_it_listens() {
    let mut view = View { processes: vec![process(7, "aileron", &["aileron", "serve"])], ..View::default() };
    view.listeners = vec![listener("127.0.0.1:5672", Some(7))];
    assert_eq!(Consoles::find(&view), []);
    view.listeners.push(listener("0.0.0.0:6080", Some(7)));
    let found = Consoles::find(&view);
    assert_eq!((found.len(), place(&found[0]).as_str()), (1, "127.0.0.1:6080"));
    assert_eq!(found[0].settings["unit"], "aileron");
}

fn member(host: &str, sort: &str, answer: Answer<Facts>) -> Member<Facts> {
    let target = Target {
        kind: Kind::Consoles,
        host: host.to_string(),
        place: Place::Tcp("127.0.0.1".to_string(), 6080),
        port: Some(6080),
        seen: true,
        evidence: "process 4".to_string(),
        settings: [("sort", sort), ("unit", "nova-novncproxy")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into(),
    };
    Member { target, answer, took_ms: 1 }
}

fn page() -> Answer<Facts> {
    Answer::Got { facts: Facts::Page { path: "/vnc_lite.html".to_string() } }
}

fn silent() -> Answer<Facts> {
    Answer::Silent {
        doing: "waiting for the answer of 127.0.0.1:6080 to /vnc_lite.html".to_string(),
        after_ms: 2000,
    }
}

fn judged(members: &[Member<Facts>]) -> (State, Judgement) {
    let judgement = judge::judge(members, &Context { hosts: Vec::new(), missing: Vec::new(), now: 0 });
    (Verdict::state_of(&judgement.findings), judgement)
}

#[test]
fn sorts_are_judged_apart() {
    let serial = Answer::Got { facts: Facts::Sockets };
    let (state, judgement) = judged(&[
        member("c0", "novnc", page()),
        member("c0", "serial", serial),
        member("c1", "novnc", silent()),
    ]);
    assert_eq!(state, State::Degraded);
    assert_eq!(judgement.summary, "noVNC 1 of 2 answer, serial 1 of 1 answer");
    assert!(judgement.risk.fragile);
    assert_eq!(
        judgement.risk.words,
        "one more failure leaves no noVNC console; its failure leaves no serial console"
    );
    let down = Answer::Down { cause: "connecting: refused".to_string() };
    let (state, judgement) =
        judged(&[member("c0", "novnc", page()), member("c1", "novnc", page()), member("c0", "serial", down)]);
    assert_eq!((state, judgement.findings[0].code.as_str()), (State::Failed, "consoles-down"));
    assert!(judgement.findings[0].cause.ends_with("no serial console can be opened"));
}

#[test]
fn one_that_may_not_be_asked_is_not_failed() {
    let denied = Answer::Denied { cause: "connecting: permission denied".to_string() };
    let (state, judgement) = judged(&[member("c0", "novnc", denied), member("c1", "novnc", silent())]);
    let of = |code: &str| judgement.findings.iter().find(|one| one.code == code).map(|one| one.severity);
    assert_eq!(of("consoles-denied"), Some(Severity::Unknown));
    assert_eq!((of("consoles-silent"), state), (Some(Severity::Degraded), State::Degraded));
}

proptest! {
    #[test]
    fn any_configuration_is_read_without_a_panic(text in "\\PC*", words in "[\\[\\]=:$ a-z\n]{0,80}") {
        for text in [&text, &words] {
            let mut conf = conf::Conf::default();
            conf.read(text);
            let _ = (conf.get("vnc", "a"), conf.is_on("DEFAULT", "ssl_only"));
            let view = View {
                processes: vec![process(4, "nova-novncproxy", &["nova-novncproxy"])],
                files: file("/etc/nova/nova.conf", &format!("[vnc]\nnovncproxy_base_url={text}\nnovncproxy_port={text}")),
                ..View::default()
            };
            for target in Consoles::find(&view) {
                prop_assert!(find::pages(&target).iter().all(|page| !page.contains(char::is_whitespace)));
            }
        }
    }
}
