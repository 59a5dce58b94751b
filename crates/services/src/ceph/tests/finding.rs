//! What is found on a host.

use super::*;

const FSID: &str = "1cb3d8d3-6e1b-4cbd-81fb-e1fc62f5c273";

fn process(pid: u32, line: &str, container: Option<&str>) -> Process {
    let arguments: Vec<String> = line.split(' ').map(ToString::to_string).collect();
    Process { pid, name: arguments[0].clone(), arguments, container: container.map(ToString::to_string) }
}

fn container(name: &str, running: bool) -> Container {
    Container { name: name.to_string(), image: String::new(), running, engine: "podman".to_string() }
}

fn host() -> View {
    View { host: "controller-0".to_string(), ..View::default() }
}

fn found(view: &View) -> Vec<(String, String)> {
    let daemon = |one: &Target| format!("{}.{}", one.settings["daemon"], one.settings["id"]);
    Ceph::find(view).iter().map(|one| (daemon(one), one.evidence.clone())).collect()
}

#[test]
fn daemons_of_packages() {
    let mut view = host();
    view.processes = vec![
        process(7, "ceph-mon -f --cluster ceph --id controller-0 --setuser ceph", None),
        process(8, "ceph-mgr -f -i x", None),
        process(9, "ceph-mds --name=mds.m0 --cluster=big", None),
    ];
    view.listeners = [6789, 3300]
        .map(|port| view::Listener { address: ([10, 77, 0, 11], port).into(), pid: Some(7) })
        .to_vec();
    view.units.insert("ceph-mon@controller-0.service".to_string());
    let all = Ceph::find(&view);
    let sockets: Vec<_> = all.iter().map(|one| one.settings["sockets"].lines().next().unwrap()).collect();
    assert_eq!(
        sockets,
        [
            "/var/run/ceph/big-mds.m0.asok",
            "/var/run/ceph/ceph-mgr.x.asok",
            "/var/run/ceph/ceph-mon.controller-0.asok"
        ]
    );
    assert_eq!((all[2].port, all[1].port), (Some(3300), None));
    assert_eq!(
        all[2].settings["keyrings"],
        "/etc/ceph/ceph.client.admin.keyring\n/var/lib/ceph/mon/ceph-controller-0/keyring"
    );
}

#[test]
fn a_configuration_moves_socket_and_data() {
    let mut view = host();
    let config = "[global]\nfsid = X\nmon-host = [v2:10.0.0.1:3300,v1:10.0.0.1:6789],[v2:10.0.0.2:3300,v1:10.0.0.2:6789] ; two\n\
                  run dir = /srv/run\nadmin socket = $run_dir/$cluster-$name.$pid.asok\n[mon]\nmon_data = /srv/$type/$id\n\
                  [mon.b]\nadmin socket = \"/b.asok\"\n";
    view.files.insert("/srv/ceph.conf".to_string(), config.to_string());
    view.processes = vec![
        process(7, "ceph-mon -i a -c /srv/ceph.conf", None),
        process(8, "ceph-mon -i b --conf=/srv/ceph.conf", None),
    ];
    let all = Ceph::find(&view);
    assert_eq!(all[0].settings["sockets"], "/srv/run/ceph-mon.a.7.asok");
    assert_eq!(all[1].settings["sockets"], "/b.asok");
    assert_eq!(all[0].settings["keyrings"].lines().last(), Some("/srv/mon/a/keyring"));
    assert_eq!((all[0].settings["mons"].as_str(), all[0].settings["fsid"].as_str()), ("2", "x"));
}

#[test]
fn daemons_in_containers() {
    let mut view = host();
    let cephadm = format!("ceph-{FSID}-mon-controller-0");
    view.processes = vec![
        process(7, "ceph-mon -n mon.controller-0 -f", Some(&cephadm)),
        process(8, "ceph-mds --cluster ceph -i controller-0", Some("ceph-mds-controller-0")),
    ];
    view.containers = vec![container(&cephadm, true), container("ceph-mds-controller-0", true)];
    let all = Ceph::find(&view);
    let (mds, mon) = (&all[0], &all[1]);
    assert_eq!(
        mds.settings["sockets"].lines().next(),
        Some("/proc/8/root/var/run/ceph/ceph-mds.controller-0.asok")
    );
    assert!(mon.settings["sockets"].contains(&format!("\n/run/ceph/{FSID}/ceph-mon.controller-0.asok")));
    assert!(mon.settings["keyrings"].starts_with("/proc/7/root/etc/ceph/ceph.client.admin.keyring\n"));
    assert_eq!(mon.settings["unit"], format!("ceph-{FSID}@mon.controller-0"));
    assert_eq!(mds.settings["unit"], "ceph-mds@controller-0");
    assert_eq!(mon.settings["container"], format!("podman {cephadm}"));
}

#[test]
fn daemons_that_should_run() {
    let mut view = host();
    view.units =
        [format!("ceph-{FSID}@mgr.controller-0.abc.service"), "ceph-mds@m0.service".to_string()].into();
    view.containers = vec![container(&format!("ceph-{FSID}-mon.controller-0"), false)];
    let evidence = |one: &str| one.to_string();
    assert_eq!(
        found(&view),
        [
            (evidence("mds.m0"), evidence("unit ceph-mds@m0.service is enabled")),
            (
                evidence("mgr.controller-0.abc"),
                format!("unit ceph-{FSID}@mgr.controller-0.abc.service is enabled")
            ),
            (
                evidence("mon.controller-0"),
                format!("podman container ceph-{FSID}-mon.controller-0 has stopped")
            ),
        ]
    );
    assert!(Ceph::find(&view).iter().all(|one| !one.seen));
    let mut folders = host();
    folders.files.insert("/var/lib/ceph/mon/ceph-a/kv_backend".to_string(), "rocksdb".to_string());
    folders.files.insert(format!("/var/lib/ceph/{FSID}/mon.b/kv_backend"), "rocksdb".to_string());
    let names: Vec<_> = found(&folders).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["mon.a", "mon.b"]);
    let mut tripleo = host();
    tripleo.files.insert(view::HIERA_SERVICES.to_string(), r#"{"service_names":["ceph_mon"]}"#.to_string());
    assert_eq!(found(&tripleo)[0].0, "mon.controller-0");
}

#[test]
fn a_client_of_ceph_expects_nothing() {
    let mut view = host();
    view.files.insert("/etc/ceph/ceph.conf".to_string(), "[global]\nmon host = a,b,c\n".to_string());
    view.units = ["ceph.target", "ceph-mon.target", "ceph-crash.service", "ceph-osd@0.service"]
        .map(ToString::to_string)
        .into();
    assert_eq!(Ceph::find(&view), []);
}

#[test]
fn the_other_mons_are_known() {
    let Answer::Got { facts } = mon(&recorded!("mon_peon"), None) else { panic!() };
    let own = member("mon", 1, denied()).target;
    let peers = Ceph::peers(&own, &facts);
    let places: Vec<_> = peers.iter().map(|one| (one.host.as_str(), one.place.to_string())).collect();
    assert_eq!(
        places,
        [("controller-0", "10.77.0.11:3300".into()), ("controller-2", "10.77.0.13:3300".into())]
    );
}

#[test]
fn keyrings_are_read() {
    let text = "# comment\n[client.admin]\n\tcaps mon = \"allow *\"\n\tkey = AQ==\n[other]\nkey = BQ==\n";
    assert_eq!(config::keyring(text), Some(("client.admin".to_string(), "AQ==".to_string())));
    assert_eq!(config::keyring("key = AQ==\n"), None);
    assert_eq!(config::keyring(""), None);
}
