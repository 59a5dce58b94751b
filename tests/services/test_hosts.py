"""Several controllers from an inventory: by the aileron there, without one, frozen, cut off, refused."""
import shutil

import pytest
from lab import Lab, binary

DEADLINE = 3.0
# How late the verdict may come, by the issue.
LATE = 0.5


@pytest.fixture(scope="module")
def lab():
    """Three controllers with memcached and sshd; the second has no aileron, the third has one."""
    with Lab(3, prefix="hosts") as lab:
        for host in lab.hosts:
            host.memcached = host.start(["memcached", "-u", "memcache", "-l", f"127.0.0.1,{host.ip}"], log="memcached.log")
            host.ssh_server = host.sshd()
        lab.folder.joinpath("bin").mkdir()
        shutil.copy(binary(), lab.folder / "bin/aileron")
        yield lab


@pytest.fixture()
def inventory(lab):
    """A function that writes an inventory with these variables for hosts by number, else the usual ones."""
    usual = {1: f"aileron_path={lab.folder}/bin/none", 2: f"aileron_path={lab.folder}/bin/aileron"}

    def write(more=None, name="hosts"):
        lines = lab.inventory().read_text().splitlines()
        for number, words in (usual | (more or {})).items():
            lines[number + 1] += " " + words
        path = lab.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    yield write
    for host in lab.hosts:
        host.heal()
        for daemon in host.daemons:
            daemon.thaw()


def by_host(overview, service="memcached"):
    """The members of a service by host."""
    found = [one for one in overview["services"] if one["service"] == service]
    return {member["host"]: member for member in found[0]["members"]} if found else {}


def hosts(overview):
    """How asking each host ended."""
    return {host["name"]: host["answer"] for host in overview["hosts"]}


def test_three_controllers_are_one_overview(lab, inventory):
    first = lab.hosts[0]
    first.services("--json", "--inventory", inventory())  # connects
    code, overview, seconds = first.services("--json", "--inventory", inventory())
    assert hosts(overview) == {"controller-0": "got", "controller-1": "got", "controller-2": "got"}, overview
    members = by_host(overview)
    assert {host: one["answer"] for host, one in members.items()} == {host.name: "got" for host in lab.hosts}
    assert code == 0, overview["findings"]
    print(f"healthy: {seconds:.2f} s, {overview['took_ms']} ms")


def test_yaml_and_a_single_host(lab, inventory):
    lines = [line.split(maxsplit=1) for line in inventory().read_text().splitlines()[1:]]
    text = "all:\n  children:\n    overcloud_Controller:\n      hosts:\n"
    for name, words in lines:
        text += f"        {name}:\n"
        for word in words.replace("='", "=\x00").split(" ansible_ssh_common_args")[0].split():
            key, value = word.split("=", 1)
            text += f"          {key}: {value}\n"
        text += f"          ansible_ssh_common_args: -F {lab.ssh_config}\n"
    path = lab.folder / "hosts.yaml"
    path.write_text(text)
    _, overview, _ = lab.hosts[0].services("--json", "--inventory", path)
    assert hosts(overview) == {host.name: "got" for host in lab.hosts}
    _, overview, _ = lab.hosts[0].services("--json", "--inventory", path, "--host", "controller-2")
    assert hosts(overview) == {"controller-2": "got"}
    assert list(by_host(overview)) == ["controller-2"]


def test_the_configuration_names_the_hosts(lab, inventory):
    first = lab.hosts[0]
    place = first.etc("aileron/aileron.toml", f'[services]\ninventory = "{inventory()}"\n')
    try:
        _, overview, _ = first.services("--json")
        assert len(overview["hosts"]) == 3
        _, overview, _ = first.services("--json", "--local")
        assert hosts(overview) == {"controller-0": "got"}
    finally:
        first.run(["rm", place])


def test_a_wrong_inventory_is_told_with_its_line(lab):
    path = lab.folder / "wrong"
    path.write_text("[controller]\nc-[0-2]\n")
    code, text, _ = lab.hosts[0].services("--inventory", path)
    assert code == 3 and f"{path}:2: '[0-2]' is no range" in text


def test_a_daemon_that_is_down_is_seen_through_ssh(lab, inventory):
    """Agentless and by the aileron there: both say down of a killed and silent of a frozen one."""
    for number in (1, 2):
        host = lab.hosts[number]
        host.etc("systemd/system/multi-user.target.wants/memcached.service", "")
        host.memcached.kill()
        code, overview, _ = lab.hosts[0].services("--json", "--inventory", inventory())
        assert by_host(overview)[host.name]["answer"] == "down", overview
        host.memcached = host.start(["memcached", "-u", "memcache", "-l", f"127.0.0.1,{host.ip}"], log="memcached.log")
        lab.until(lambda: by_host(host.services("--json", "--local")[1])[host.name]["answer"] == "got", what="memcached")
        host.memcached.freeze()
        code, overview, seconds = lab.hosts[0].services("--json", "--inventory", inventory(), "--deadline", DEADLINE)
        host.memcached.thaw()
        answers = {name: one["answer"] for name, one in by_host(overview).items()}
        assert answers == {one.name: "silent" if one is host else "got" for one in lab.hosts}, overview
        assert (code, hosts(overview)[host.name]) == (1, "got")
        assert seconds <= DEADLINE + LATE


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not connected"])
@pytest.mark.parametrize("how", ["cut", "frozen"])
def test_a_host_that_says_nothing_is_silent_in_time(lab, inventory, how, connected):
    """Whether ssh has a connection from before or not."""
    first, _, third = lab.hosts
    # Another option makes another connection.
    words = {2: f"aileron_path={lab.folder}/bin/aileron ansible_ssh_extra_args='-o ServerAliveCountMax={'4' if how == 'cut' else '5'}'"}
    path = inventory(words, name=f"{how}-{connected}")
    if connected:
        assert hosts(first.services("--json", "--inventory", path)[1])["controller-2"] == "got"
    else:
        first.run(["sh", "-c", "rm -rf /run/aileron-ssh"])
    if how == "cut":
        third.cut()
    else:
        for daemon in [third.ssh_server]:
            daemon.freeze()
    code, overview, seconds = first.services("--json", "--inventory", path, "--deadline", DEADLINE)
    third.heal()
    third.ssh_server.thaw()
    assert hosts(overview) == {"controller-0": "got", "controller-1": "got", "controller-2": "silent"}, overview
    assert seconds <= DEADLINE + LATE
    finding = next(one for one in overview["findings"] if one["code"] == "host-no-answer")
    assert finding["subject"] == "controller-2" and "did not answer within" in finding["cause"]
    assert code == 1
    assert set(by_host(overview)) == {"controller-0", "controller-1"}
    lab.until(lambda: hosts(first.services("--json", "--inventory", path)[1])["controller-2"] == "got", what="back")


def test_a_refused_key_is_denied_with_the_remedy(lab, inventory):
    lab.hosts[0].run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.folder / "stranger"])
    path = inventory(name="stranger")
    path.write_text("\n".join(
        line.replace(f"{lab.keys.folder}/key", f"{lab.folder}/stranger").replace(f"-F {lab.ssh_config}", f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={lab.folder}/strange_hosts -o GlobalKnownHostsFile=none")
        if line.startswith("controller-2") else line
        for line in path.read_text().splitlines()
    ) + "\n")  # fmt: skip
    code, overview, _ = lab.hosts[0].services("--json", "--inventory", path)
    assert hosts(overview)["controller-2"] == "denied", overview
    finding = next(one for one in overview["findings"] if one["subject"] == "controller-2")
    assert "Permission denied" in finding["cause"] and "ansible_ssh_private_key_file" in finding["cause"]
    assert code != 0


def test_without_sshd_a_host_is_down(lab, inventory):
    third = lab.hosts[2]
    path = inventory({2: "ansible_port=2222"}, name="port")
    _, overview, _ = lab.hosts[0].services("--json", "--inventory", path)
    third = next(host for host in overview["hosts"] if host["name"] == "controller-2")
    assert third["answer"] == "down" and "Connection refused" in third["trouble"], overview


def test_a_socket_is_reached_where_there_is_no_aileron(lab, inventory):
    first, second, _ = lab.hosts
    daemon = second.start(["memcached", "-u", "memcache", "-p", "11399", "-s", "/run/memcached/other.sock"], log="other.log")
    try:
        lab.until(lambda: second.path("/run/memcached/other.sock").exists(), what="the socket")
        _, overview, _ = first.services("--json", "--inventory", inventory())
        members = [one for one in overview["services"][0]["members"] if one["place"] == "/run/memcached/other.sock"]
        assert [(one["host"], one["answer"]) for one in members] == [("controller-1", "got")], overview
    finally:
        daemon.stop()
