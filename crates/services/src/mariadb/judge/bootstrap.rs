//! Nobody serves: which member may go on, and by which command. Advice only: the wrong choice loses
//! data, so nothing is ever done here.
//!
//! A null UUID is nobody's data and never chosen, whatever `safe_to_bootstrap` says beside it. A member
//! that did not stop cleanly has its position recovered first. The highest position of the one UUID
//! wins, on a tie any.

use super::remedy;
use super::{One, Stand};
use crate::mariadb::facts::{Galera, Saved, known};

fn saved(member: &One) -> Option<&Saved> {
    member.answer.facts()?.saved.as_ref()
}

/// The table of positions, one entry for each member that does not run.
pub(super) fn table(stopped: &[&One]) -> String {
    let rows: Vec<String> =
        stopped.iter().map(|member| format!("{} {}", member.target.host, position(member))).collect();
    rows.join("; ")
}

fn position(member: &One) -> String {
    let Some(saved) = saved(member) else { return "not readable from here".to_string() };
    if !known(&saved.uuid) && saved.recovered.is_none() {
        return "has a null UUID: nobody's data, never start from it".to_string();
    }
    match saved.position() {
        Some((uuid, seqno)) if saved.seqno >= 0 => {
            let last = if saved.safe_to_bootstrap { ", safe_to_bootstrap 1" } else { "" };
            format!("{}:{seqno}{last}", brief(uuid))
        }
        Some((uuid, seqno)) => format!("{}:{seqno} (recovered)", brief(uuid)),
        None => format!("{}:-1, position not recovered yet", brief(&saved.uuid)),
    }
}

/// The first group of a UUID, which is what people compare.
fn brief(uuid: &str) -> &str {
    uuid.split('-').next().unwrap_or(uuid)
}

/// The next step when no member runs. `unseen` are hosts of whose data nothing is known.
pub(super) fn advice(stopped: &[&One], unseen: &[String]) -> String {
    if let Some(resource) = stopped.iter().find_map(|member| remedy::resource(member)) {
        return format!(
            "pcs resource cleanup {resource} (Pacemaker's agent compares the positions and starts from the highest)"
        );
    }
    if stopped.iter().any(|member| remedy::in_container(member)) {
        return "kolla-ansible mariadb_recovery compares the positions and starts from the highest"
            .to_string();
    }
    let with_data: Vec<(&One, &Saved)> = stopped
        .iter()
        .filter_map(|member| saved(member).map(|saved| (*member, saved)))
        .filter(|(_, saved)| known(&saved.uuid))
        .collect();
    let unread: Vec<String> = stopped
        .iter()
        .filter(|member| saved(member).is_none())
        .map(|member| member.target.host.clone())
        .chain(unseen.iter().cloned())
        .collect();
    let mut uuids: Vec<&str> = with_data.iter().map(|(_, saved)| saved.uuid.as_str()).collect();
    uuids.sort_unstable();
    uuids.dedup();
    if uuids.len() > 1 {
        return format!(
            "start none yet: the members hold {} different histories; decide whose data is right, and keep a copy of \
             the others' folders",
            uuids.len()
        );
    }
    let best = with_data.iter().filter_map(|(member, saved)| Some((saved.position()?.1, *member, *saved)));
    let best = best.max_by_key(|(seqno, _, saved)| (*seqno, saved.safe_to_bootstrap));
    if let Some((_, member, saved)) = &best
        && saved.safe_to_bootstrap
    {
        return start_from(member, saved, "stopped last");
    }
    let crashed: Vec<&One> =
        with_data.iter().filter(|(_, saved)| saved.position().is_none()).map(|(member, _)| *member).collect();
    if let Some(first) = crashed.first() {
        let hosts: Vec<&str> = crashed.iter().map(|member| member.target.host.as_str()).collect();
        return format!(
            "on {}: {} (writes no data of the cluster), then ask again and start from the highest position",
            hosts.join(", "),
            remedy::recover(first)
        );
    }
    if !unread.is_empty() {
        return format!(
            "start none before the positions of {} are known: run aileron services there or with an inventory of all",
            unread.join(", ")
        );
    }
    match best {
        Some((_, member, saved)) => start_from(member, saved, "has the highest position"),
        None => "no member holds the data of a cluster: restore a backup, or start a new cluster".to_string(),
    }
}

fn start_from(member: &One, saved: &Saved, why: &str) -> String {
    let host = &member.target.host;
    let file = format!("{}/grastate.dat", remedy::datadir(member));
    let allow = match saved.safe_to_bootstrap {
        true => String::new(),
        false => format!("sed -i 's/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/' {file} && "),
    };
    format!("on {host} ({why}): {allow}galera_new_cluster; then on each other: systemctl start mariadb")
}

/// The next step when members run without quorum. `unseen` are those that may serve somewhere else.
pub(super) fn go_on(apart: &[(&One, &Galera)], unseen: &[String]) -> String {
    let best = apart.iter().max_by_key(|(_, galera)| galera.last_committed);
    let Some((member, galera)) = best else { return String::new() };
    let command = format!(
        "on {} (last committed {}): mariadb -e \"SET GLOBAL wsrep_provider_options='pc.bootstrap=YES'\"",
        member.target.host, galera.last_committed
    );
    match unseen {
        [] => command,
        // Two Primary Components are worse than none.
        _ => format!(
            "first make sure that {} does not serve, it may hold the majority; only then {command}",
            unseen.join(", ")
        ),
    }
}

/// Hosts whose members may serve without our seeing it.
pub(super) fn may_serve(stands: &[(&One, Stand)], missing: &[String]) -> Vec<String> {
    let unseen =
        stands.iter().filter(|(_, stand)| matches!(stand, Stand::Unseen | Stand::Shut | Stand::Full));
    unseen.map(|(member, _)| member.target.host.clone()).chain(missing.iter().cloned()).collect()
}
