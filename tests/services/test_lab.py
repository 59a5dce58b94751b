"""The lab itself: hosts that see each other, break, and leave nothing behind."""
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lab import Lab

ECHO = """
import socket
server = socket.create_server(("0.0.0.0", 7777))
while True:
    peer, _ = server.accept()
    peer.sendall(peer.recv(100))
    peer.close()
"""


def echo(host, to):
    """True when `to` answers what `host` sends, within a second."""
    with host.network(), socket.create_connection((to.ip, 7777), timeout=1) as link:
        link.sendall(b"hello")
        return link.recv(100) == b"hello"


def machine():
    """What a lab could leave behind: namespaces, devices, mounts."""
    namespaces = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                namespaces[os.readlink(entry / "ns/net")] = entry.name
            except OSError:
                continue
    return namespaces


def own_mounts():
    """The machine's mount table."""
    return Path("/proc/self/mountinfo").read_text().count("\n"), sorted(os.listdir("/sys/class/net"))


@pytest.fixture(scope="module")
def lab():
    """Two hosts, each with an echo server."""
    with Lab(2, prefix="self") as lab:
        for host in lab.hosts:
            host.start([sys.executable, "-c", ECHO], log="echo.log")
            lab.until(lambda host=host: echo(host, host), what="echo")
        yield lab


def test_hosts_have_names_addresses_and_processes_of_their_own(lab):
    first, second = lab.hosts
    assert first.run(["hostname"]).stdout == "controller-0\n"
    assert second.run(["getent", "hosts", "controller-0"]).stdout.split()[0] == first.ip
    assert first.run(["hostname", "-f"]).stdout == "controller-0.internalapi.localdomain\n"
    seen = first.run(["ps", "-e", "-o", "pid="]).stdout.split()
    assert seen[0] == "1" and len(seen) == 3  # pid 1, the echo server, ps
    assert set(first.processes()) == {first.pid, *(daemon.pid for daemon in first.daemons)}


def test_files_are_a_hosts_own(lab):
    first, second = lab.hosts
    first.etc("aileron/lab.conf", "one\n")
    assert first.run(["cat", "/etc/aileron/lab.conf"]).stdout == "one\n"
    assert second.run(["test", "-e", "/etc/aileron/lab.conf"], check=False).returncode == 1
    first.run(["sh", "-c", "echo x >/run/x; echo y >/dev/shm/y; echo z >/var/log/z"])
    assert first.path("/run/x").read_text() == "x\n"
    for place in ("/run/x", "/dev/shm/y", "/var/log/z"):
        assert not Path(place).exists()
        assert second.run(["test", "-e", place], check=False).returncode == 1


def test_a_cut_host_is_not_reached_until_it_is_healed(lab):
    first, second = lab.hosts
    assert echo(first, second)
    second.cut()
    with pytest.raises(OSError):
        echo(first, second)
    second.heal()
    lab.until(lambda: echo(first, second), what="healed")


def test_a_frozen_daemon_accepts_and_says_nothing(lab):
    first, second = lab.hosts
    daemon = second.daemons[0]
    daemon.freeze()
    with pytest.raises(TimeoutError):
        echo(first, second)
    daemon.thaw()
    assert echo(first, second) and daemon.alive


def test_commands_end_at_their_time_out_with_all_they_started(lab):
    host = lab.hosts[0]
    with pytest.raises(subprocess.TimeoutExpired):
        host.run(["sh", "-c", "sleep 600 & sleep 600"], timeout=0.5)
    lab.until(lambda: not host.processes("sleep"), what="sleepers gone")
    with pytest.raises(AssertionError, match="ended with 3"):
        host.run(["sh", "-c", "exit 3"])


def test_daemons_run_as_the_user_that_is_named(lab):
    host = lab.hosts[0]
    assert host.run(["id", "-un"], user="nobody").stdout == "nobody\n"
    daemon = host.start(["sleep", "60"], user="nobody")
    # The status file is read outside: the pid is the daemon's own.
    lab.until(lambda: "sleep" in Path(f"/proc/{daemon.pid}/cmdline").read_text(), what="exec")
    assert Path(f"/proc/{daemon.pid}").stat().st_uid != 0
    assert daemon.kill() == -9


def test_ssh_leads_from_host_to_host(lab):
    for host in lab.hosts:
        host.sshd()
    first, second = lab.hosts
    assert first.run(["ssh", "-F", lab.ssh_config, second.name, "hostname"]).stdout == "controller-1\n"
    assert f"{second.name} ansible_host={second.ip} ansible_user=root" in lab.inventory().read_text()


def test_a_crashed_host_comes_back_with_its_disk():
    with Lab(2, prefix="crash") as lab:
        first, second = lab.hosts
        second.etc("kept", "here\n")
        second.run(["touch", "/run/lost"])
        daemon = second.start([sys.executable, "-c", ECHO])
        lab.until(lambda: echo(first, second), what="echo")
        second.crash()
        assert not second.up and daemon.wait() == -9
        with pytest.raises(OSError):
            echo(first, second)
        second.boot()
        assert second.run(["cat", "/etc/kept"]).stdout == "here\n"
        assert second.run(["test", "-e", "/run/lost"], check=False).returncode == 1
        second.start([sys.executable, "-c", ECHO])
        lab.until(lambda: echo(first, second), what="echo again")


def test_two_labs_do_not_meet():
    with Lab(1, prefix="left") as left, Lab(1, prefix="right") as right:
        left.hosts[0].start([sys.executable, "-c", ECHO])
        left.until(lambda: echo(left.hosts[0], left.hosts[0]), what="echo")
        with pytest.raises(ConnectionRefusedError):
            echo(right.hosts[0], left.hosts[0])


def test_nothing_is_left_behind():
    before = own_mounts()
    with pytest.raises(ZeroDivisionError), Lab(2, prefix="gone") as lab:
        folder = lab.folder
        networks = {os.readlink(f"/proc/{host.pid}/ns/net") for host in lab.hosts}
        # One that leaves its parent and its session.
        lab.hosts[0].run(["setsid", "--fork", "sleep", "600"])
        pids = lab.hosts[0].processes()
        raise ZeroDivisionError
    assert not folder.exists()
    assert not networks & set(machine())
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert own_mounts() == before


def test_hosts_end_with_the_process_that_made_them(tmp_path):
    code = "import os, time\nfrom lab import Lab\nlab = Lab(1, prefix='killed').__enter__()\nprint(lab.folder, lab.hosts[0].pid, lab.hosts[0].start(['sleep', '600']).pid, flush=True)\ntime.sleep(600)"
    maker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)
    folder, *pids = maker.stdout.readline().split()
    try:
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        maker.kill()
        maker.wait(30)
        end = time.monotonic() + 30
        while [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < end, "still there"
            time.sleep(0.05)
    finally:
        maker.stdout.close()
        subprocess.run(["rm", "-rf", folder], check=True)


def test_labs_can_be_made_from_any_thread():
    seen = []

    def make():
        with Lab(1, prefix="thread") as lab:
            seen.append(lab.hosts[0].run(["hostname"]).stdout)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == ["controller-0\n"] * 2
