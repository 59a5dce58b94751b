//! Finding and reading, and the rules on what real servers said (recorded/README.md).

mod advice;
mod rules;

use proptest::prelude::*;

use super::*;
use crate::view;

fn view_of(files: &[(&str, &str)]) -> View {
    let files = files.iter().map(|(path, text)| ((*path).to_string(), (*text).to_string())).collect();
    View { host: "controller-0".to_string(), files, ..View::default() }
}

fn process(arguments: &[&str]) -> view::Process {
    let arguments = arguments.iter().map(|word| (*word).to_string()).collect();
    view::Process { pid: 7, name: "mariadbd".to_string(), arguments, container: None }
}

const CNF: &str = "\
[client]
port = 1
[mysqld] # the server
datadir=/data/mysql
socket = \"/run/my.sock\"
bind-address = 10.0.0.1
loose-wsrep-cluster-address = 'gcomm://10.0.0.1,c1.internalapi:4567,[fd00::3]:4567?pc.wait_prim=no'
log-error = error.log
";

#[test]
fn a_running_server_is_found_as_its_files_and_command_line_say() {
    let mut view = view_of(&[
        ("/etc/mysql/my.cnf", "!includedir /etc/mysql/conf.d/\n"),
        ("/etc/mysql/conf.d/galera.cnf", CNF),
        ("/etc/mysql/conf.d/galera.cnf.bak", "[mysqld]\ndatadir=/wrong\n"),
        ("/etc/hosts", "10.0.0.1 c0.internalapi c0\n10.0.0.2 c1.internalapi c1 # second\n10.9.9.9 other\n"),
    ]);
    view.processes = vec![process(&["mariadbd", "--port=3307"])];
    let found = &Mariadb::find(&view)[0];
    assert_eq!(found.place, Place::Unix("/run/my.sock".into()));
    assert_eq!((found.port, found.seen), (Some(3307), true));
    assert_eq!(found.settings["datadir"], "/data/mysql");
    assert_eq!(found.settings["log_error"], "/data/mysql/error.log");
    let peers = Mariadb::peers(found, &Facts::default());
    let named: Vec<_> = peers.iter().map(|one| (one.host.as_str(), one.place.to_string())).collect();
    assert_eq!(
        named,
        [
            ("c0", "10.0.0.1:3307".into()),
            ("c1", "10.0.0.2:3307".into()),
            ("fd00::3", "[fd00::3]:3307".into())
        ]
    );
}

#[test]
fn defaults_file_hides_the_others_and_tools_are_no_servers() {
    let mut view = view_of(&[("/etc/my.cnf", CNF), ("/own.cnf", "[server]\nsocket=/own.sock\n")]);
    view.processes = vec![
        process(&["mariadbd", "--defaults-file=/own.cnf"]),
        process(&["mariadbd", "--wsrep-recover"]),
        process(&["mariadbd", "--bootstrap"]),
    ];
    let found = Mariadb::find(&view);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place, Place::Unix("/own.sock".into()));
    assert_eq!(found[0].settings.get("wsrep_cluster_address"), None);
}

#[test]
fn a_stopped_one_is_found_by_its_unit_or_by_its_data() {
    assert_eq!(Mariadb::find(&View::default()), []);
    let with_unit = View { units: ["mysql.service".to_string()].into(), ..View::default() };
    assert_eq!(Mariadb::find(&with_unit)[0].evidence, "unit mysql.service is enabled");
    let packaged =
        view_of(&[("/etc/my.cnf", "[mysqld]\n#wsrep_cluster_address = gcomm://\n"), (find::GRASTATE, "")]);
    assert_eq!(Mariadb::find(&packaged), []);
    let written = view_of(&[("/etc/my.cnf", CNF), (find::GRASTATE, "")]);
    let found = Mariadb::find(&written);
    assert_eq!((found.len(), found[0].seen), (1, false));
}

#[test]
fn a_password_is_read_from_an_option_file() {
    let text = "[mysqld]\npassword=no\n[client]\nuser=root\npassword=\"p#w=d\"\n";
    assert_eq!(options::login(text), Some(("root".to_string(), "p#w=d".to_string())));
    assert_eq!(options::login("[client]\nuser=root\n"), None);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}", lines in proptest::collection::vec("[\\[\\]a-z:=!#,/'\" 0-9.-]{0,30}", 0..12)) {
        let lines = lines.join("\n");
        for text in [&text, &lines] {
            let _ = facts::grastate(text);
            let _ = facts::recovered(text);
            let _ = options::login(text);
            let _ = options::cluster_hosts(&format!("gcomm://{text}"));
            let view = view_of(&[("/etc/my.cnf", text), ("/etc/hosts", text), ("/var/lib/pacemaker/cib/cib.xml", text), (find::GRASTATE, text)]);
            let _ = Mariadb::find(&view);
        }
    }
}
