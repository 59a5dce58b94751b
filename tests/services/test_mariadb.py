"""MariaDB and Galera, broken for real: three members, and a server alone."""
import re

import pytest
from lab import Lab
from lab.mariadb import Galera

WRITE = "INSERT INTO nova.t (x) VALUES (1);"


class Seen:
    """What `aileron services` says of MariaDB."""

    def __init__(self, host, *arguments):
        _, self.overview, self.seconds = host.services("--json", *arguments)
        found = [one for one in self.overview["services"] if one["service"] == "mariadb"]
        assert found, self.overview
        self.verdict = found[0]
        self.state, self.risk, self.summary = (self.verdict[name] for name in ("state", "risk", "summary"))
        self.codes = sorted(one["code"] for one in self.verdict["findings"])
        self.members = {one["host"]: one for one in self.verdict["members"]}

    def __repr__(self):
        return f"{self.state}: {self.summary}; {self.risk}\n{self.verdict['findings']}\n{self.verdict['members']}"

    def finding(self, code, subject=None):
        """The finding of this code (about that host)."""
        found = [one for one in self.verdict["findings"] if one["code"] == code and subject in (None, one["subject"])]
        assert len(found) == 1, self
        return found[0]

    def roles(self):
        """Roles by host."""
        return {host: one["role"] for host, one in self.members.items()}


@pytest.fixture(scope="module")
def credentials(tmp_path_factory):
    """A file with the user that has no rights."""
    path = tmp_path_factory.mktemp("mariadb") / "credentials.toml"
    path.write_text('[mariadb]\nuser = "aileron"\npassword = "seen"\n')
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def galera():
    """Three members in step."""
    with Lab(3, prefix="galera") as lab, Galera(lab) as galera:
        galera.settled()
        for host in lab.hosts:
            host.sshd()
        yield galera


@pytest.fixture
def whole(galera, credentials):
    """The cluster, whole before the test, and a way to ask a host of it; repaired afterwards."""
    galera.repair()
    return galera, lambda host, *more: Seen(host, "--credentials", str(credentials), *more)


def test_a_whole_cluster_is_ok_seen_from_each_member(whole):
    galera, ask = whole
    for host in galera.hosts:
        seen = ask(host)
        assert (seen.state, seen.codes) == ("ok", []), seen
        assert re.fullmatch(r"3 of 3 members in the Primary Component, view \d+", seen.summary), seen
        assert seen.roles() == {one.name: "Primary, Synced" for one in galera.hosts}
        assert seen.members[host.name]["place"] == "/run/mysqld/mysqld.sock"
        assert seen.risk == "one member may fail; two at once stop the control plane"


def test_without_a_password_the_others_are_unknown_and_the_remedy_is_named(whole):
    galera, _ = whole
    seen = Seen(galera.hosts[0])
    assert (seen.state, seen.codes) == ("unknown", ["mariadb-denied"] * 2), seen
    assert "CREATE USER" in seen.finding("mariadb-denied", "controller-1")["next"]
    assert seen.members["controller-0"]["state"] == "ok"


def test_a_killed_member_degrades_and_comes_back(whole):
    galera, ask = whole
    first, second, third = galera.hosts
    galera.kill(third)
    seen = ask(first)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-down"]), seen
    assert "one more failure stops the control plane" in seen.risk, seen
    galera.settled(2, [first, second])
    seen = ask(first)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-down"]), seen
    assert seen.summary.startswith("2 of 3 members"), seen
    down = seen.finding("mariadb-down", "controller-2")
    assert "Connection refused" in down["cause"] and down["next"] == "on controller-2: systemctl start mariadb"
    # On its own host its data folder is read too, and the others are still asked.
    seen = ask(third)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-down"]), seen
    assert "did not stop cleanly: seqno -1" in seen.finding("mariadb-down")["cause"]
    assert seen.roles()["controller-0"] == "Primary, Synced"
    galera.start(third)
    galera.settled()
    assert (ask(first).state, ask(third).state) == ("ok", "ok")


def test_a_frozen_member_is_silent_and_not_down(whole):
    galera, ask = whole
    first, second, third = galera.hosts
    galera.daemons[third].freeze()
    seen = ask(first, "--deadline", "1")
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-silent"]), seen
    assert re.search(r"did not answer within \d\.\d s", seen.finding("mariadb-silent", "controller-2")["cause"]), seen
    assert seen.members["controller-2"]["answer"] == "silent"
    galera.settled(2, [first, second])
    seen = ask(first, "--deadline", "1")
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-silent"]), seen
    assert seen.summary.startswith("2 of 3") and "one more failure stops" in seen.risk, seen
    # Asked alone it says nothing of the others: that is not a failure of all.
    seen = ask(third, "--deadline", "1")
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-not-asked", "mariadb-silent"]), seen
    galera.daemons[third].thaw()
    galera.settled()
    assert ask(first).state == "ok"


def test_a_desynced_member_by_an_operator(whole):
    galera, ask = whole
    first, _, third = galera.hosts
    galera.sql(third, "SET GLOBAL wsrep_desync=ON")
    seen = ask(first)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-desynced"]), seen
    found = seen.finding("mariadb-desynced", "controller-2")
    assert found["intended"] and "wsrep_desync is ON" in found["cause"] and "wsrep_desync=OFF" in found["next"]
    assert seen.roles()["controller-2"] == "Primary, Donor/Desynced"


def test_the_gate_lets_a_backup_begin_only_where_a_node_can_be_spared(whole, credentials):
    galera, _ = whole
    first, second, third = galera.hosts
    def gate(operation, *more):
        code, decision, _ = first.services("--gate", operation, "--json", "--credentials", str(credentials), *more)
        assert (code, decision["go"]) in ((0, True), (2, False)), (code, decision)
        return code, sorted(reason["code"] for reason in decision["stops"]), decision

    assert gate("backup")[:2] == (0, []) and gate("restore")[:2] == (0, [])
    galera.sql(second, "SET GLOBAL wsrep_desync=ON")
    code, stops, decision = gate("backup")
    assert (code, stops) == (2, ["mariadb-desynced"]), decision
    assert decision["stops"][0]["service"] == "mariadb" and "controller-1" in decision["stops"][0]["cause"]
    code, _, decision = gate("backup", "--override", "mariadb-desynced")
    assert code == 0 and [reason["code"] for reason in decision["overridden"]] == ["mariadb-desynced"]
    galera.sql(second, "SET GLOBAL wsrep_desync=OFF")
    galera.kill(third)
    code, stops, decision = gate("backup")
    assert code == 2 and "mariadb-down" in stops, decision
    code, page, _ = first.services("--gate", "restore", "--credentials", str(credentials))
    assert code == 2 and page.startswith("STOP  the restored control plane is not well") and "--override" in page


def test_a_lock_that_stops_the_applier_shows_by_the_queue(whole):
    galera, ask = whole
    first, _, third = galera.hosts
    lock = third.start(["mariadb", "-e", "FLUSH TABLES WITH READ LOCK; SELECT SLEEP(600)"], log="lock.log")
    try:
        galera.lab.until(lambda: galera.status(third, "wsrep_local_state") == "2", what="desynced")
        seen = ask(first)
        assert (seen.state, seen.codes) == ("degraded", ["mariadb-desynced"]), seen
        found = seen.finding("mariadb-desynced", "controller-2")
        assert "holds a global read lock" in found["cause"] and not found.get("intended")
        galera.sql(first, WRITE * 60)
        galera.lab.until(lambda: int(galera.status(third, "wsrep_local_recv_queue")) > 50, what="a queue")
        # What the queue shows, flow control does not.
        assert galera.status(third, "wsrep_flow_control_paused") == "0"
        seen = ask(first)
        assert (seen.state, seen.codes) == ("degraded", ["mariadb-applier-stopped", "mariadb-desynced"]), seen
        cause = seen.finding("mariadb-applier-stopped", "controller-2")["cause"]
        assert int(re.search(r"(\d+) transactions of the others wait", cause)[1]) > 50, cause
    finally:
        galera.hang_up(third)
        lock.kill()


def test_no_connection_left_is_full_and_not_down(whole):
    galera, ask = whole
    first, _, third = galera.hosts
    sleepers = [f"mariadb -h {third.ip} -u aileron -pseen -e 'SELECT SLEEP(600)' &" for _ in range(26)]
    holders = [third.start(["sh", "-c", " ".join(sleepers) + " wait"], log="sleepers.log")]
    try:
        galera.lab.until(lambda: int(galera.status(third, "Threads_connected")) >= 26, what="26 connections")
        seen = ask(first)
        assert (seen.state, seen.codes) == ("ok", ["mariadb-connections"]), seen
        assert "of 30 connections in use" in seen.finding("mariadb-connections")["cause"]
        holders.append(third.start(["sh", "-c", " ".join(sleepers[:8]) + " wait"], log="sleepers.log"))
        # The server's own counter misses some of them, at times all.
        galera.lab.until(lambda: "1040" in holders[-1].log, what="refusals")
        seen = ask(first)
        assert (seen.state, seen.codes) == ("degraded", ["mariadb-full"]), seen
        assert "1040" in seen.finding("mariadb-full", "controller-2")["cause"]
        # Root has a connection of its own, and with it the numbers.
        seen = ask(third)
        assert (seen.state, seen.codes) == ("degraded", ["mariadb-full"]), seen
        assert "of 30 connections in use" in seen.finding("mariadb-full")["cause"]
    finally:
        galera.hang_up(third)
        for holder in holders:
            holder.kill()


def test_a_member_without_replication_is_a_private_database(whole):
    galera, ask = whole
    first, second, _ = galera.hosts
    galera.sql(second, "SET GLOBAL wsrep_on=OFF")
    seen = ask(first)
    assert (seen.state, seen.codes) == ("failed", ["mariadb-private"]), seen
    assert "wsrep_on is OFF for new sessions" in seen.finding("mariadb-private", "controller-1")["cause"]
    galera.sql(second, "SET GLOBAL wsrep_on=ON")
    galera.stop(second)
    galera.configure(second, "wsrep_on = OFF\n")
    galera.cluster = False
    try:
        galera.start(second)
    finally:
        galera.cluster = True
    galera.sql(second, "CREATE TABLE nova.mine (id INT)")  # it takes writes, that is the danger
    for host in (first, second):
        seen = ask(host)
        assert (seen.state, seen.codes) == ("failed", ["mariadb-private"]), seen
        assert "private database" in seen.finding("mariadb-private", "controller-1")["cause"]
        assert seen.summary.startswith("2 of 3 members")
    galera.sql(second, "DROP TABLE nova.mine")


def test_members_that_refuse_writes_or_clients(whole):
    galera, ask = whole
    first, second, third = galera.hosts
    galera.sql(second, "SET GLOBAL read_only=ON")
    galera.sql(third, "SET GLOBAL wsrep_reject_queries=ALL")
    seen = ask(first)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-read-only", "mariadb-rejects-queries"]), seen
    assert seen.finding("mariadb-rejects-queries", "controller-2")["intended"]
    galera.sql(first, "SET GLOBAL read_only=ON")
    seen = ask(first)
    assert seen.state == "failed", seen
    for host in (first, second):
        galera.sql(host, "SET GLOBAL read_only=OFF")
    galera.sql(third, "SET GLOBAL wsrep_reject_queries=NONE")


def test_the_last_of_three_has_no_quorum_until_it_is_bootstrapped(whole):
    galera, ask = whole
    first, second, third = galera.hosts
    galera.kill(second)
    galera.kill(third)
    galera.lab.until(lambda: galera.status(first, "wsrep_cluster_status") == "non-Primary", what="non-Primary")
    seen = ask(first)
    assert seen.state == "failed" and "mariadb-no-primary" in seen.codes, seen
    found = seen.finding("mariadb-no-primary")
    assert "1 of 3 members run without quorum (controller-0)" in found["cause"]
    command = re.fullmatch(r"on controller-0 \(last committed \d+\): (.+)", found["next"])
    assert "pc.bootstrap=YES" in command[1], found
    # The command that is advised is the cure.
    first.run(["sh", "-c", command[1]])
    galera.settled(1, [first])
    seen = ask(first)
    assert (seen.state, seen.codes) == ("degraded", ["mariadb-down"] * 2), seen
    assert seen.risk.startswith("this is the last member"), seen


def test_after_a_crash_of_all_the_advice_leads_to_the_highest_position(whole):
    galera, ask = whole
    first, second, third = galera.hosts
    everywhere = ("--deadline", "10", "--inventory", str(galera.lab.inventory()))
    galera.kill(third)
    galera.settled(2, [first, second])
    galera.sql(first, WRITE * 5)
    galera.kill(second)
    galera.kill(first)
    # From one member only its own folder can be read.
    seen = ask(first)
    assert seen.state == "failed" and "mariadb-all-down" in seen.codes, seen
    assert "controller-1 not readable from here" in seen.finding("mariadb-all-down")["cause"]
    seen = ask(first, *everywhere)
    assert (seen.state, seen.codes) == ("failed", ["mariadb-all-down"] + ["mariadb-down"] * 3), seen
    found = seen.finding("mariadb-all-down")
    assert found["cause"].count("-1, position not recovered yet") == 3, found
    command = re.match(r"on controller-0, controller-1, controller-2: (\S+ --user=mysql --wsrep-recover) ", found["next"])
    positions = {}
    for host in galera.hosts:
        host.run(command[1].split(), timeout=60, check=False)
        log = (host.folder / "var/log/mysql/error.log").read_text()
        positions[host.name] = int(log.rpartition("Recovered position:")[2].split()[0].rpartition(":")[2])
    assert positions["controller-2"] < positions["controller-0"], positions
    seen = ask(first, *everywhere)
    found = seen.finding("mariadb-all-down")
    for name, position in positions.items():
        assert re.search(rf"{name} \w+:{position} \(recovered\)", found["cause"]), (found, positions)
    best = re.match(r"on (controller-\d) \(has the highest position\): sed .*grastate.dat && galera_new_cluster", found["next"])
    assert positions[best[1]] == max(positions.values()), (found, positions)
    chosen = next(host for host in galera.hosts if host.name == best[1])
    uuid = galera.grastate(chosen)["uuid"]
    galera.allow(chosen)
    galera.form(chosen)
    galera.settled()
    assert galera.status(chosen, "wsrep_cluster_state_uuid") == uuid
    assert ask(first).state == "ok"


def test_after_a_clean_stop_of_all_the_last_one_starts_first(whole):
    galera, ask = whole
    for host in reversed(galera.hosts):
        galera.stop(host)
    seen = ask(galera.hosts[1], "--deadline", "10", "--inventory", str(galera.lab.inventory()))
    assert seen.state == "failed", seen
    found = seen.finding("mariadb-all-down")
    assert re.search(r"controller-0 \w+:\d+, safe_to_bootstrap 1", found["cause"]), found
    assert found["next"].startswith("on controller-0 (stopped last): galera_new_cluster"), found


@pytest.mark.xdist_group("mariadb-alone")
def test_a_server_alone_needs_no_galera(credentials):
    with Lab(1, prefix="mariadb") as lab, Galera(lab, cluster=False) as single:
        (host,) = lab.hosts
        host.etc("systemd/system/multi-user.target.wants/mariadb.service", "")
        seen = Seen(host)
        assert (seen.state, seen.codes) == ("ok", []), seen
        assert seen.summary.startswith("stand-alone, ") and "no other server has its data" in seen.risk, seen
        single.daemons[host].freeze()
        seen = Seen(host, "--deadline", "1")
        assert (seen.state, seen.codes) == ("failed", ["mariadb-silent"]), seen
        single.daemons[host].thaw()
        single.kill(host)
        seen = Seen(host)
        assert (seen.state, seen.codes) == ("failed", ["mariadb-down"]), seen
        single.start(host)
        assert Seen(host).state == "ok"
