"""libvirt with guests that run, that their disk stops, that are killed; the verdict as their host gives it."""
import contextlib
import os
import shutil
import signal

import pytest
from lab import Lab, binary
from lab.libvirt import Libvirt

DEADLINE = 2.0
# How late the verdict may come, by the issue.
LATE = 0.5


def verdict(host, *arguments):
    """(libvirt's verdict, its findings by code, the exit code) as `host` sees it."""
    # Ample: where a deadline counts, the test says so.
    code, answer, _ = host.services("--json", "--deadline", "6", *arguments)
    found = [one for one in answer["services"] if one["service"] == "libvirt"]
    assert found, answer
    return found[0], {finding["code"]: finding for finding in found[0]["findings"]}, code


@pytest.fixture(scope="module")
def libvirt():
    """A compute with a guest that runs, and a host without libvirt."""
    with Lab(2, prefix="libvirt") as lab:
        compute = Libvirt(lab.hosts[0])
        compute.start()
        compute.boot("instance-00000001")
        for host in lab.hosts:
            host.sshd()
        yield compute


def test_a_guest_runs_and_a_controller_has_no_member(libvirt):
    seen, findings, code = verdict(libvirt.host, "--inventory", libvirt.host.lab.inventory())
    assert (seen["state"], findings, code) == ("ok", {}, 0)
    assert seen["summary"] == "1 of 1 answer, 1 of 1 instances run"
    assert [one["host"] for one in seen["members"]] == [libvirt.host.name]
    assert seen["members"][0]["role"].startswith("QEMU ") and seen["members"][0]["role"].endswith(", 1 running")
    assert seen["members"][0]["place"] == "/run/libvirt/libvirt-sock-ro"


def test_paused_and_shut_off_is_what_somebody_wanted(libvirt):
    libvirt.boot("instance-00000002")
    libvirt.virsh("suspend", "instance-00000001")
    libvirt.virsh("destroy", "instance-00000002")
    try:
        seen, findings, _ = verdict(libvirt.host)
        assert (seen["state"], findings) == ("ok", {})
        assert seen["members"][0]["role"].endswith(", 1 paused, 1 off")
    finally:
        libvirt.virsh("resume", "instance-00000001")
        libvirt.virsh("undefine", "instance-00000002")


def test_a_guest_whose_storage_is_full_is_paused_by_an_error(libvirt):
    disk = libvirt.small_disk("full")
    libvirt.boot("instance-00000003", disk)
    try:
        libvirt.host.lab.until(lambda: libvirt.state("instance-00000003") == "paused (I/O error)", what="its disk is full")
        seen, findings, code = verdict(libvirt.host)
        assert (seen["state"], code, set(findings)) == ("degraded", 1, {"libvirt-io-error"})
        assert "storage is full: instance-00000003" in findings["libvirt-io-error"]["cause"]
        # What the finding says to type helps.
        assert "make room" in findings["libvirt-io-error"]["next"] and "virsh resume instance-00000003" in findings["libvirt-io-error"]["next"]
        assert "no space" in libvirt.virsh("domblkerror", "instance-00000003")
        libvirt.host.run(["mount", "-o", "remount,size=100m", os.path.dirname(disk)])
        libvirt.virsh("resume", "instance-00000003")
        seen, findings, _ = verdict(libvirt.host)
        assert (seen["state"], findings) == ("ok", {})
    finally:
        libvirt.virsh("destroy", "instance-00000003", check=False)
        libvirt.virsh("undefine", "instance-00000003")


def test_a_guest_whose_qemu_was_killed_is_noted(libvirt):
    libvirt.boot("instance-00000004")
    os.kill(libvirt.guest("instance-00000004"), signal.SIGKILL)
    try:
        libvirt.host.lab.until(lambda: libvirt.state("instance-00000004") == "shut off (crashed)", what="libvirt sees it")
        seen, findings, _ = verdict(libvirt.host)
        assert (seen["state"], set(findings)) == ("ok", {"libvirt-lost"})
        assert "instance-00000004" in findings["libvirt-lost"]["cause"] and findings["libvirt-lost"]["severity"] == "notice"
    finally:
        libvirt.virsh("undefine", "instance-00000004")


def test_a_frozen_daemon_is_silent_in_time(libvirt):
    libvirt.daemon.freeze()
    try:
        code, answer, seconds = libvirt.host.services("--json", "--deadline", str(DEADLINE))
    finally:
        libvirt.daemon.thaw()
    found = next(one for one in answer["services"] if one["service"] == "libvirt")
    assert seconds <= DEADLINE + LATE
    assert (found["state"], found["members"][0]["answer"], code) == ("failed", "silent", 1)
    finding = found["findings"][0]
    assert finding["code"] == "libvirt-silent" and "did not answer within" in finding["cause"]
    assert finding["next"] == f"on {libvirt.host.name}: systemctl restart libvirtd"
    # The question that hung is not left behind.
    libvirt.host.lab.until(lambda: not libvirt.host.processes("virsh"), what="no virsh is left")


def test_a_killed_daemon_is_missed_by_its_unit_while_its_guests_run_on(libvirt):
    libvirt.daemon.kill(tree=False)
    seen, findings, code = verdict(libvirt.host)
    assert (seen["state"], code, set(findings)) == ("failed", 1, {"libvirt-down"})
    cause = findings["libvirt-down"]["cause"]
    assert "Connection refused" in cause and "unit libvirtd.service is enabled" in cause and "its instances run on" in cause
    assert libvirt.guest("instance-00000001")
    libvirt.start()
    seen, findings, _ = verdict(libvirt.host)
    assert (seen["state"], findings, seen["summary"]) == ("ok", {}, "1 of 1 answer, 1 of 1 instances run")


def test_without_root_it_is_asked_too(libvirt):
    program = libvirt.host.lab.folder / "aileron"
    shutil.copy(binary(), program)  # where everybody can run it
    done = libvirt.host.run([program, "services", "--json"], user="nobody", check=False)
    assert '"1 of 1 answer, 1 of 1 instances run"' in done.stdout, done.stdout + done.stderr
    libvirt.host.run(["chmod", "700", "/run/libvirt/libvirt-sock-ro"])
    done = libvirt.host.run([program, "services", "--json"], user="nobody", check=False)
    libvirt.host.run(["chmod", "777", "/run/libvirt/libvirt-sock-ro"])
    assert '"libvirt-denied"' in done.stdout and "run as root" in done.stdout, done.stdout + done.stderr


def script(host, name, text):
    """A program of the host's own; its path."""
    path = host.mine("bin") / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def without_virsh(host):
    """The host has no virsh meanwhile."""
    layers = f"lowerdir=/usr/bin,upperdir={host.mine('upper')},workdir={host.mine('work')}"
    host.run(["mount", "-t", "overlay", "-o", layers, "none", "/usr/bin"])
    try:
        host.run(["rm", "-f", "/usr/bin/virsh"])
        yield
    finally:
        host.run(["umount", "-l", "/usr/bin"])


def test_where_virsh_is_in_the_container_only(libvirt):
    """The engine is played: podman's monitor by a script of its name, `podman exec` by running the rest."""
    host = libvirt.host
    played = {"PATH": str(host.mine("bin"))}
    shutil.copy2("/usr/bin/virsh", host.mine("inside"))

    def verdict():
        _, answer, _ = host.services("--json", env=played)
        return next(one for one in answer["services"] if one["service"] == "libvirt")

    with without_virsh(host):
        found = verdict()
        assert found["state"] == "unknown" and "virsh is not installed" in found["findings"][0]["cause"], found
        libvirt.daemon.kill(tree=False)
        assert verdict()["findings"][0]["code"] == "libvirt-down"
    monitor = script(host, "conmon", 'shift 4; "$@" & wait')
    libvirt.start(monitor, "-c", "3f" * 32, "-n", "nova_libvirt")
    script(host, "podman", f'echo "$@" >>"$0.log"; shift 4; PATH={host.mine("inside")}; exec "$@"')
    with without_virsh(host):
        found = verdict()
    assert (found["state"], found["summary"]) == ("ok", "1 of 1 answer, 1 of 1 instances run"), found
    said = (host.root / "bin/podman.log").read_text()
    assert said.startswith("exec --env LC_ALL=C nova_libvirt virsh --quiet --readonly --connect qemu+unix:///system?socket=")
