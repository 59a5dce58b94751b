"""A start that fails names the thing, and what to do."""
import os
import socket
import subprocess

import pytest
from broker import Broker, binary, free_port

NOBODY = 65534


@pytest.fixture(autouse=True)
def ours():
    """These texts are our own."""
    if "AMQP_PORT" in os.environ:
        pytest.skip("a broker that is not ours")


def serve(folder, *settings, port=None, code=69, user=None, environment=None):
    """What a start that fails says: its lines that begin with `aileron: `."""
    listen = f'broker.listen=["127.0.0.1:{port or free_port()}"]'
    command = [str(binary()), "serve", "--data-dir", str(folder), "--set", listen]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, user=user,
                          env=environment)
    assert done.returncode == code, done.stderr
    return [line.removeprefix("aileron: ") for line in done.stderr.splitlines() if line.startswith("aileron: ")]


def let_in(folder):
    """Lets other users come as far as this folder of the test's."""
    for above in (folder, *folder.parents):
        if "pytest" in str(above):
            above.chmod(above.stat().st_mode | 0o055)


def config(*arguments, environment=None, code=0):
    """aileron config: the finished process."""
    done = subprocess.run([str(binary()), "config", *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False, env=os.environ | (environment or {}))
    assert done.returncode == code, done
    return done


def test_a_data_folder_that_is_a_file(tmp_path):
    """Not 'File exists'."""
    path = tmp_path / "data"
    path.write_text("x")
    assert serve(path) == [f"the data folder {path} is a file: name a folder by broker.data_dir or --data-dir"]
    assert path.read_text() == "x"


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_a_data_folder_that_cannot_be_written(tmp_path):
    """Whose it is, and whose it should be."""
    let_in(tmp_path)
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    [line] = serve(data, user=NOBODY)
    assert line.startswith(f"cannot write in the data folder {data} as user {NOBODY}: ")
    assert "it is user 0's, with mode 0755" in line and line.endswith(f"chown -R {NOBODY} {data}")
    [line] = serve(tmp_path / "none", user=NOBODY)
    assert line.startswith(f"cannot make the data folder {tmp_path / 'none'}: Permission denied")
    # The control socket's folder is another's.
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    [line] = serve(own, f'ctl.socket="{tmp_path / "ctl.sock"}"', user=NOBODY)
    assert line.startswith(f"cannot listen on the control socket {tmp_path / 'ctl.sock'}: Permission denied")
    assert f"user {NOBODY} may not write in {tmp_path}. Run as a user who may, or name another place by ctl.socket" in line


def test_a_data_folder_in_use(broker):
    """By whom."""
    [line] = serve(broker.data)
    pid = broker.own_process().pid
    assert line.startswith(f"the data folder {broker.data} is in use by pid {pid} (aileron): stop that one first")


def test_a_control_socket_in_use(broker, tmp_path):
    """By whom."""
    [line] = serve(tmp_path / "other", f'ctl.socket="{broker.data / "ctl.sock"}"')
    assert line.startswith(f"cannot listen on the control socket {broker.data / 'ctl.sock'}: "
                           f"pid {broker.own_process().pid} (aileron) answers there")


def test_something_else_in_the_control_sockets_place(tmp_path):
    """It is left alone; and a path that is too long is told so."""
    place = tmp_path / "ctl.sock"
    place.write_text("x")
    [line] = serve(tmp_path / "data", f'ctl.socket="{place}"')
    assert line == (f"cannot listen on the control socket {place}: there is something that is not a socket: "
                    "move it away, or name another place by ctl.socket")
    assert place.read_text() == "x"
    [line] = serve(tmp_path / ("d" * 120))
    assert line.endswith(": name a shorter one, of at most 107 bytes, by ctl.socket")


def test_a_port_in_use(tmp_path):
    """By whom; and before the logs are read, of which nothing is touched."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [line] = serve(tmp_path / "data", port=port)
        assert line.startswith(f"cannot listen on 127.0.0.1:{port} (broker.listen): Address already in use")
        assert f"pid {os.getpid()} (" in line and line.endswith("has it")
        assert not (tmp_path / "data" / "vhosts").exists()
    [line] = serve(tmp_path / "data", 'broker.listen=["192.0.2.1:5672"]')
    assert line.startswith("cannot listen on 192.0.2.1:5672 (broker.listen): ")
    assert line.endswith("it is none of this host's addresses (`ip addr` lists them)")


def test_nobody_listens_while_the_log_is_read_and_all_do_after(make_broker):
    """A socket that is held is none that takes clients: they try another host."""
    broker = make_broker()
    assert broker.restart() < 60
    with broker.connect():
        pass


def test_all_that_is_wrong_with_a_configuration(tmp_path):
    """File and line, the key that was meant, what is allowed."""
    path = tmp_path / "aileron.toml"
    path.write_text('[broker]\nhartbeat = 5\nlisten = []\n\n[log]\nlevel = "loud"\n')
    done = config("check", "--config", path, code=78)
    lines = done.stderr.splitlines()
    assert lines == [
        f"aileron: unknown key 'broker.hartbeat' in {path}, line 2 (its value: 5): did you mean 'broker.heartbeat'? "
        "`aileron config show` lists all keys",
        f"aileron: bad value [] for 'broker.listen' in {path}, line 3: allowed is a list of HOST:PORT, one at least "
        '(["127.0.0.1:5672"])',
        f"aileron: bad value \"loud\" for 'log.level' in {path}, line 6: allowed is error, warn, info, debug, trace, or "
        'directives ("info,broker=debug")']
    assert serve(tmp_path / "data", "broker.listen=[]", code=78)[0].startswith("bad value [] for 'broker.listen' in --set")


def test_a_variable_that_is_no_setting(tmp_path, make_broker):
    """It is named, with the one that was meant; and nothing else is broken by it."""
    words = "AILERON_LOG_LEVEL in the environment is no setting and is passed over: did you mean AILERON_LOG__LEVEL?"
    done = config("check", environment={"AILERON_LOG_LEVEL": "debug"})
    assert f"aileron: {words}" in done.stderr.splitlines()
    broker = make_broker(environment={"AILERON_LOG_LEVEL": "debug"})
    assert words in broker.log_text()
    done = config("check", environment={"AILERON_LOG__LEVLE": "debug"}, code=78)
    assert "unknown key 'log.levle' in the environment (AILERON_LOG__LEVLE)" in done.stderr
    assert "did you mean 'log.level'?" in done.stderr


def test_what_is_checked_is_what_is_used(tmp_path):
    """The file of variables that the service gets is read too, by every command that reads the configuration."""
    path, beside = tmp_path / "aileron.toml", tmp_path / "aileron.env"
    path.write_text("[broker]\nheartbeat = 7\n")
    beside.write_text("# of the service\nAILERON_BROKER__HEARTBEAT=8\n")
    assert config("check", "--config", path).stdout == f"{path} with {beside} is good\n"
    shown = config("show", "--config", path).stdout
    assert "heartbeat = 8" in shown and f"# read from {path} and {beside}" in shown
    beside.write_text("AILERON_BROKER__HEARTBEAT=soon\n")
    done = config("check", "--config", path, code=78)
    assert f"bad value \"soon\" for 'broker.heartbeat' in {beside} (AILERON_BROKER__HEARTBEAT)" in done.stderr
    beside.unlink()
    done = config("check", "--config", path, "--set", 'broker.listen=["no-such-host.invalid:5672"]', code=78)
    assert "cannot resolve 'no-such-host.invalid:5672' of broker.listen" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_variables_that_this_user_may_not_read(tmp_path):
    """They are told by whoever checks, and not by the service, which systemd gives them."""
    let_in(tmp_path)
    path, beside = tmp_path / "aileron.toml", tmp_path / "aileron.env"
    path.write_text("")
    beside.write_text("AILERON_BROKER__HEARTBEAT=8\n")
    path.chmod(0o644)
    beside.chmod(0o600)
    done = subprocess.run([str(binary()), "config", "check", "--config", str(path)], capture_output=True, text=True,
                          timeout=60, check=True, user=NOBODY)
    assert done.stdout == f"{path} is good\n"
    assert f"cannot read {beside}: Permission denied" in done.stderr and "run this as root" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_a_control_socket_that_is_not_for_this_user(tmp_path):
    """rabbitmqctl says who may, and not that the node should be started."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    try:
        let_in(broker.folder)
        done = subprocess.run([broker.ctl_command, "list_users"], capture_output=True, text=True, timeout=60, check=False,
                              user=NOBODY, env=broker.ctl_environment)
        assert done.returncode == 69
        assert "only root and the node's own user may: try again as one of them (sudo)" in done.stderr
        assert "start the node" not in done.stderr
    finally:
        broker.close()
