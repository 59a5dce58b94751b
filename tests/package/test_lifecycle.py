"""A controller's life with the package, in a virtual machine with real systemd and dpkg.

The tests follow one another from top to bottom, each on what the one before left.
"""
import json

import packages
import pika
import pytest
from conftest import AMQP
from machine import ADDRESS

CONFFILE = "/etc/aileron/aileron.toml"
LISTEN = f'listen = ["127.0.0.1:{AMQP}", "{ADDRESS}:{AMQP}"]'


@pytest.fixture(autouse=True)
def one_after_the_other(request):
    """Stops at the first failure: the later steps build on the earlier ones."""
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        request.session.shouldstop = "a later step builds on the one that failed"


def channel(machine):
    """A client's channel, from outside the machine, with confirms."""
    where = pika.ConnectionParameters("127.0.0.1", machine.ports[AMQP], "/", pika.PlainCredentials("nova", "secret"),
                                      socket_timeout=30, connection_attempts=20, retry_delay=1)
    opened = pika.BlockingConnection(where).channel()
    opened.confirm_delivery()
    return opened


def publish(machine, body):
    """Publishes persistently; returns when the broker has confirmed."""
    opened = channel(machine)
    opened.queue_declare("kept", durable=True)
    opened.basic_publish("", "kept", body.encode(), pika.BasicProperties(delivery_mode=2), mandatory=True)
    opened.connection.close()


def bodies(machine):
    """What is in the queue; it stays there."""
    opened = channel(machine)
    found = []
    while (message := opened.basic_get("kept"))[0] is not None:
        found.append(message[2].decode())
    opened.connection.close()
    return found


def state(machine):
    """The service's state in systemd's words, its process and how often it was restarted."""
    shown = machine.show("aileron", "ActiveState", "SubState", "MainPID", "NRestarts", "Result")
    return shown["ActiveState"], int(shown["MainPID"]), int(shown["NRestarts"])


def await_another(machine, before, seconds=180):
    """Waits for a running service with another process than before."""
    def another():
        active, pid, _ = state(machine)
        return active == "active" and pid not in (0, before)
    machine.wait_for("the service runs again", seconds, another)


def test_debians_checker_has_nothing_to_say(package):
    code, text = packages.lintian(package)
    assert code == 0, text
    assert not [line for line in text.splitlines() if line[:2] in ("E:", "W:")], text


def test_installing_starts_a_service_on_the_loopback_only(machine, package):
    there = machine.send(package)
    machine.run(f"DEBIAN_FRONTEND=noninteractive apt-get -qq install -y {there}", seconds=600)
    active, pid, _ = state(machine)
    assert active == "active" and machine.run("systemctl is-enabled aileron").strip() == "enabled"
    assert machine.run(f"ps -o user= -p {pid}").strip() == "aileron"
    listening = machine.run("ss -Hltn 'sport = :5672'").split()
    assert listening[3] == "127.0.0.1:5672", listening
    assert machine.run("stat -c '%U %G %a' /var/lib/aileron").split() == ["aileron", "aileron", "700"]
    assert machine.run("stat -c '%U %a' /run/aileron/ctl.sock").split() == ["aileron", "600"]
    assert "aileron" in machine.run("rabbitmqctl status")
    assert machine.run("systemd-analyze verify --man=no aileron.service 2>&1").strip() == ""
    print(machine.run("systemd-analyze security aileron.service").splitlines()[-1])
    machine.run("systemctl stop aileron && systemctl start aileron")


def test_the_operator_opens_it_and_messages_come_in(machine):
    machine.run("rabbitmqctl add_user nova secret && rabbitmqctl set_permissions nova '.*' '.*' '.*'")
    machine.run(f"sed -i 's/^#listen = .*/{LISTEN}/' {CONFFILE} && aileron config check")
    machine.run("systemctl restart aileron")
    publish(machine, "first")
    assert bodies(machine) == ["first"]


def test_under_its_hardening_it_sees_the_services_of_the_host(machine):
    def seen():
        done = machine.ssh("aileron services --cached --json")
        overview = json.loads(done.stdout) if done and done.stdout.startswith("{") else {"services": []}
        return overview if overview["services"] else None
    overview = machine.wait_for("the daemon's first survey", 90, seen)
    assert {one["service"]: one["state"] for one in overview["services"]} == {"aileron": "ok"}, overview
    assert overview["findings"] == [], overview
    assert json.loads(machine.run("aileron services --history --json"))["surveyed_at"] > 0
    # What root sees is not otherwise.
    assert "aileron" in machine.run("aileron services")


def test_a_killed_broker_is_back_with_its_messages(machine):
    _, pid, restarts = state(machine)
    machine.run(f"kill -9 {pid}")
    await_another(machine, pid)
    assert state(machine)[2] == restarts + 1
    assert bodies(machine) == ["first"]


def test_a_hanging_broker_is_ended_by_the_watchdog(machine):
    _, pid, restarts = state(machine)
    publish(machine, "second")
    machine.run(f"kill -STOP {pid}")
    await_another(machine, pid)
    assert state(machine)[2] == restarts + 1
    assert "Watchdog timeout" in machine.journal()
    assert bodies(machine) == ["first", "second"]


def test_a_well_broker_is_left_alone_by_the_watchdog(machine):
    before = state(machine)
    # More than the watchdog's time.
    machine.run("sleep 40")
    assert state(machine) == before
    assert "does not answer its watchdog" not in machine.journal()


def test_a_wrong_configuration_is_told_and_not_tried_for_ever(machine):
    machine.run(f"cp {CONFFILE} /root/good && echo 'broker.heartbet = 1' >> {CONFFILE}")
    machine.run("systemctl restart aileron", code=1)
    assert machine.show("aileron", "ActiveState", "NRestarts") == {"ActiveState": "failed", "NRestarts": "0"}
    assert "unknown key" in machine.journal()
    machine.run(f"cp /root/good {CONFFILE} && systemctl start aileron")


def test_stopping_by_rabbitmqctl_is_stopping(machine):
    machine.run("rabbitmqctl stop")
    machine.wait_for("stopped", 60, lambda: state(machine)[0] == "inactive")
    machine.run("systemctl start aileron")
    assert bodies(machine) == ["first", "second"]


def test_pacemakers_agent_runs_it_in_systemds_place(machine):
    agent = "/usr/lib/ocf/resource.d/aileron/broker"
    assert machine.run(f"stat -c '%U %a' {agent}").split() == ["root", "755"]
    assert '<resource-agent name="broker"' in machine.run(f"{agent} meta-data")
    machine.run(f"{agent} validate-all && {agent} monitor")
    # Stopped by the agent, systemd takes it for stopped and does not start it again.
    machine.run(f"{agent} stop")
    machine.wait_for("stopped", 60, lambda: state(machine)[0] == "inactive")
    machine.run(f"{agent} monitor", code=7)
    machine.run(f"{agent} start && {agent} monitor")
    pid = machine.run("pgrep -x aileron").strip()
    assert machine.run(f"ps -o user= -p {pid}").strip() == "aileron" and state(machine)[0] == "inactive"
    assert "aileron: ready" in machine.run(f"journalctl --sync && journalctl -t aileron -o cat _PID={pid}")
    assert bodies(machine) == ["first", "second"]
    # systemd's attempt to run a second one on the same data fails, and takes nothing away from the first.
    machine.run("systemctl start aileron", code=1)
    machine.run("systemctl stop aileron")
    machine.run(f"{agent} monitor && test $(pgrep -x aileron) = {pid}")
    machine.run(f"kill -STOP {pid} && {agent} stop && systemctl reset-failed aileron && systemctl start aileron")
    assert bodies(machine) == ["first", "second"]


def test_an_upgrade_keeps_data_and_edits_and_restarts(machine, later_package):
    _, pid, _ = state(machine)
    there = machine.send(later_package)
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "
                f"-o Dpkg::Options::=--force-confold {there}", seconds=600)
    assert machine.run("dpkg-query -W -f '${Version}' aileron") == packages.LATER
    active, now, _ = state(machine)
    assert active == "active" and now != pid
    assert LISTEN in machine.run(f"cat {CONFFILE}")
    assert packages.ADDED in machine.run(f"cat {CONFFILE}.dpkg-dist")
    assert bodies(machine) == ["first", "second"]


def test_an_upgrade_leaves_a_stopped_service_stopped(machine, later_package):
    machine.run("systemctl stop aileron")
    machine.run(f"dpkg --force-confold -i /root/{later_package.name}", seconds=600)
    assert state(machine)[0] == "inactive"
    machine.run("systemctl start aileron")


def test_a_reboot_brings_it_up(machine):
    machine.reboot()
    assert state(machine)[0] == "active"
    assert bodies(machine) == ["first", "second"]


def test_removal_stops_it_and_keeps_what_is_durable(machine, later_package):
    machine.run("apt-get -qq remove -y aileron", seconds=600)
    machine.run("pgrep -x aileron", code=1)
    machine.run("! systemctl --quiet is-active aileron")
    machine.run(f"test ! -e /usr/bin/aileron && test -e {CONFFILE} && test -d /var/lib/aileron")
    machine.run(f"dpkg --force-confold -i /root/{later_package.name}", seconds=600)
    assert bodies(machine) == ["first", "second"]


def test_a_purge_takes_everything_but_the_user(machine):
    machine.run("apt-get -qq purge -y aileron", seconds=600)
    machine.run("pgrep -x aileron", code=1)
    left = machine.run("ls -d /etc/aileron /var/lib/aileron /run/aileron /etc/systemd/system/*/aileron.service "
                       "/usr/lib/systemd/system/aileron.service 2>/dev/null; true")
    assert left == ""
    machine.run("systemctl cat aileron", code=1)
    machine.run("getent passwd aileron")


def test_beside_a_running_rabbitmq_it_waits(machine, package):
    # Only the unit's name and state count here, so any service that runs will do.
    machine.run("systemd-run --quiet --unit=rabbitmq-server sleep infinity")
    said = machine.run(f"dpkg -i {machine.send(package)} 2>&1", seconds=600)
    assert "rabbitmq-server runs here" in said
    assert state(machine)[0] == "inactive"
    machine.run("systemctl is-enabled aileron", code=1)
    machine.run("systemctl stop rabbitmq-server && systemctl enable --now --quiet aileron")
    assert state(machine)[0] == "active"
