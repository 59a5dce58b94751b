//! Finding members, and reading what the programs print: of several versions, cut, damaged.

use proptest::prelude::*;

use super::*;
use crate::view;

#[test]
fn who_is_not_let_in_knows_nothing() {
    let trouble = mon::status(recorded!("denied-0.mon.xml"), "", Some(4)).unwrap_err();
    assert!(matches!(&trouble, Trouble::Denied(cause) if cause.contains("haclient")), "{trouble}");
    let (state, judgement) = judged(&[member(0, trouble.into(), "")]);
    assert_eq!((state, codes(&judgement)), (State::Unknown, vec!["pacemaker-denied"]));
    let down =
        mon::status("", "Connection to cluster failed: Transport endpoint is not connected\n", Some(107));
    assert!(matches!(down, Err(Trouble::Down(_))), "1.1 says so in a line");
    for nonsense in ["", "<html></html>", "<pacemaker-result><nodes/></pacemaker-result>"] {
        assert!(matches!(mon::status(nonsense, "", Some(1)), Err(Trouble::Broken(_))), "{nonsense}");
    }
    assert!(mon::is_old("", "crm_mon: unrecognized option '--output-as=xml'"));
}

#[test]
fn old_and_new_names_are_read() {
    let old = r#"<crm_mon version="1.1.23"><summary><current_dc present="true" name="c0" id="1" with_quorum="true"/>
        <cluster_options stonith-enabled="true" no-quorum-policy="stop" maintenance-mode="false"/></summary>
        <nodes><node name="c0" id="1" online="true" type="member"/></nodes>
        <resources><clone id="db-master" multi_state="true"><resource id="db" resource_agent="ocf::heartbeat:galera"
        role="Master" managed="true" orphaned="false" failed="false"><node name="c0" id="1"/></resource></clone>
        <resource id="gone" role="Started" orphan="true" managed="true"/></resources>
        <failures><failure op_key="my_db_migrate_to_0" node="c0" exitstatus="unknown error" exitcode="1"
        status="Timed Out" last-rc-change="Tue Nov 24 10:56:38 2026" task="migrate_to"/>
        <failure op_key="db:1_monitor_3000" node="c0" exitstatus="not running" status="complete"/></failures></crm_mon>"#;
    let status = mon::status(old, "", Some(0)).unwrap();
    assert_eq!(
        (status.resources[0].role, status.resources[0].whole),
        (facts::Role::Promoted, facts::Whole::Promotable)
    );
    assert!(status.resources[1].orphaned && status.fencing);
    let [first, second] = status.failures.as_slice() else { panic!("{:?}", status.failures) };
    assert_eq!(
        (first.resource.as_str(), first.task.as_str(), first.status.as_str()),
        ("my_db", "migrate_to", "Timed Out")
    );
    assert_eq!((second.resource.as_str(), second.task.as_str()), ("db:1", "monitor"));
    let cib = r#"<cib><configuration><resources><bundle id="b"><docker image="x" replicas="3" masters="3"/></bundle>
        <master id="m"><primitive id="p" class="ocf" type="IPaddr2"><instance_attributes><nvpair name="ip" value="1.2.3.4"/>
        </instance_attributes></primitive></master></resources></configuration></cib>"#;
    let configured = cib::configured(cib).unwrap();
    assert_eq!((configured.demands[0].promoted, configured.demands[1].promoted), (3, 1));
    assert_eq!(configured.addresses, [], "an address of a clone may be on several hosts");
    let rings = "Printing ring status.\nRING ID 0\n\tid\t= 10.0.0.1\n\tstatus\t= ring 0 active with no faults\n\
                 RING ID 1\n\tid\t= 10.1.0.1\n\tstatus\t= Marking ringid 1 interface 10.1.0.1 FAULTY\n";
    let faults = corosync::faults(rings);
    assert_eq!((faults.len(), faults[0].link.as_str()), (1, "1"));
}

#[test]
fn of_the_configuration_only_what_is_needed_is_kept() {
    let text = recorded!("healthy-0.cib.xml").replace("cidr_netmask", "password");
    let kept = serde_json::to_string(&cib::configured(&text).unwrap()).unwrap();
    assert!(kept.contains(VIP) && !kept.contains("password") && !kept.contains("\"24\""), "{kept}");
    assert_eq!(cib::configured("<html/>"), None);
}

#[test]
fn a_member_is_found_where_it_runs_or_should() {
    let process = |name: &str, container: Option<&str>| view::Process {
        pid: 7,
        name: name.to_string(),
        arguments: Vec::new(),
        container: container.map(ToString::to_string),
    };
    let conf = "totem {\n  version: 2\n}\nnodelist {\n  node {\n    ring0_addr: 10.77.0.11\n    name: ctl-a\n  }\n  \
                node {\n    # no name\n    ring0_addr: 10.77.0.12\n  }\n}\n";
    let mut view = View {
        host: "c0".to_string(),
        addresses: vec!["127.0.0.1".parse().unwrap(), "10.77.0.11".parse().unwrap()],
        processes: vec![process("pacemakerd", None), process("corosync", None)],
        files: BTreeMap::from([(find::CONFIGURATION.to_string(), conf.to_string())]),
        ..View::default()
    };
    let found = Pacemaker::find(&view);
    assert!(found[0].seen);
    assert_eq!(
        (found[0].settings["node"].as_str(), found[0].settings["nodes"].as_str()),
        ("ctl-a", "ctl-a,10.77.0.12")
    );
    assert_eq!(found[0].settings["addresses"], "10.77.0.11");
    view.processes.remove(0);
    assert!(!Pacemaker::find(&view)[0].seen, "corosync alone");
    view.processes.clear();
    assert_eq!(Pacemaker::find(&view), [], "a configuration expects nothing: Debian brings one");
    view.units.insert("pacemaker.service".to_string());
    assert!(!Pacemaker::find(&view)[0].seen);
    view.units.clear();
    view.processes = vec![process("pacemaker-remot", Some("galera-bundle-podman-0"))];
    assert_eq!(Pacemaker::find(&view), [], "a bundle's own");
    view.processes = vec![process("pacemaker-remot", None)];
    assert!(Pacemaker::find(&view)[0].settings.contains_key("remote"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC*", line in "[A-Za-z :0-9]{0,30}\n") {
        let _ = mon::status(&text, &text, None);
        let _ = cib::configured(&text);
        let _ = (corosync::votes(&line.repeat(5)), corosync::faults(&line), find::nodes(&text));
    }

    /// A recording with some bytes missing, cut or doubled.
    #[test]
    fn a_damaged_picture_is_judged_without_a_panic(start in 0usize..8000, length in 0usize..400, double in any::<bool>()) {
        let whole = recorded!("bundles_promote_failed.mon.xml");
        let (head, rest) = whole.split_at(start);
        let tail = if double { &whole[start.saturating_sub(length)..] } else { rest.get(length..).unwrap_or_default() };
        if let Ok(status) = mon::status(&format!("{head}{tail}"), "", Some(0)) {
            let facts = Facts { status, ..Facts::default() };
            let _ = judged(&[got(0, &facts), down(1, VIP)]);
        }
    }
}
