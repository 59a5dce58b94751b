"""What the log says at 3 a.m.: who came, who went and why, what was changed and by whom; and what it is spared."""
import os
import re
import socket
import stat
import time

import pika
import pytest
from pika import spec
from raw import CLIENT_PROPERTIES, HEADER, Closed, Raw, logged, method_frame, until

NAME = "nova-compute:2022:4f9a"
WHO = rf'client="{NAME}" connection="127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+"'


@pytest.fixture(autouse=True)
def ours(broker):
    """These lines are our own."""
    if broker.external:
        pytest.skip("the log of a broker that is not ours")


def log_in(broker, user="guest", password="guest", vhost="/", **more):
    """A connection that calls itself as oslo.messaging's do."""
    return pika.BlockingConnection(pika.ConnectionParameters(
        "127.0.0.1", broker.port, vhost, pika.PlainCredentials(user, password),
        client_properties={"connection_name": NAME}, connection_attempts=1, **more))


def start_login(broker, user, password, seconds=15):
    """Says hello and sends a login; the connection."""
    raw = Raw(broker, open_now=False, seconds=seconds)
    raw.send(HEADER)
    raw.expect(spec.Connection.Start)
    properties = CLIENT_PROPERTIES | {"connection_name": NAME}
    response = f"\0{user}\0{password}"
    raw.send(method_frame(0, spec.Connection.StartOk(properties, "PLAIN", response, "en_US")))
    return raw


def seconds_to_refusal(broker, user, password):
    """How long the answer takes."""
    begin = time.monotonic()
    with start_login(broker, user, password) as raw:
        assert raw.wait_closed() == 403
    return time.monotonic() - begin


def test_a_start_says_who_and_where(make_broker):
    """Version, configuration, data folder, node, limits in bytes, listeners."""
    broker = make_broker("broker.memory_high_watermark=2GiB", "broker.disk_free_limit=1MiB", 'node.name="rabbit@c7"')
    line = logged(broker, r"aileron starts.*").group()
    for part in (r'version="\d+\.\d+\.\d+"', f"pid={broker.own_process().pid}", 'node="rabbit@c7"', 'config="',
                 f'data_dir="{broker.data}"', f'listen="127.0.0.1:{broker.port}"'):
        assert re.search(part, line), (part, line)
    limits = logged(broker, "limits, in bytes.*").group()
    assert f"memory_limit={2 << 30} " in limits and f"disk_free_limit={1 << 20} " in limits
    logged(broker, f'amqp listening address="127.0.0.1:{broker.port}"')
    logged(broker, r"INFO .*vhost added vhost=\"/\"")
    logged(broker, r"INFO .* ready seconds=")
    broker.restart()
    logged(broker, r'stopping reason="SIGTERM"')
    logged(broker, r"INFO .* stopped")


def test_a_login_and_a_close_say_whose(broker):
    """User, vhost, the client's own name, its address; and why it went."""
    log_in(broker).close()
    logged(broker, rf'INFO .*authenticated and granted access user="guest" vhost="/" {WHO}')
    logged(broker, rf'INFO .*connection closed reason="closed by the client: 200 Normal shutdown" user="guest" vhost="/" {WHO}')


def test_a_client_that_vanishes_is_named(broker):
    """Without a word, or silent for two heartbeats."""
    connection = log_in(broker)
    connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001
    logged(broker, rf'WARN .*connection closed reason="client unexpectedly closed TCP connection" user="guest" vhost="/" {WHO}')
    with Raw(broker, heartbeat=1):
        logged(broker, r'WARN .*connection closed reason="missed heartbeats from client, timeout: 1s" user="guest"')


def test_errors_are_named(broker):
    """Of a channel, and of a connection."""
    connection = log_in(broker)
    channel = connection.channel()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.queue_declare("nope", passive=True)
    error = re.escape("NOT_FOUND - no queue 'nope' in vhost '/'")
    logged(broker, rf'WARN .*channel error error="{error}" channel=1 user="guest" vhost="/" {WHO}')
    connection.close()
    with Raw(broker) as raw:
        raw.method(7, spec.Queue.Declare(queue="q"))
        raw.wait_closed()
    logged(broker, r"WARN .*connection error error=\"CHANNEL_ERROR - expected 'channel.open'\" channel=7 user=\"guest\"")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        log_in(broker, vhost="nope")
    logged(broker, rf'connection error error="NOT_ALLOWED - vhost nope not found" channel=0 user="guest" {WHO}')


def test_operators_are_named(broker):
    """Every change that rabbitmqctl makes, with who made it."""
    broker.ctl("add_user", "nova", "secret")
    broker.ctl("set_user_tags", "nova", "monitoring")
    broker.ctl("add_vhost", "cells")
    broker.ctl("set_permissions", "-p", "cells", "nova", "^a", ".*", "")
    broker.ctl("change_password", "nova", "word")
    broker.ctl("clear_password", "nova")
    broker.ctl("clear_permissions", "-p", "cells", "nova")
    broker.ctl("trace_on")
    connection = log_in(broker)
    connection.channel().queue_declare("q")
    broker.ctl("purge_queue", "q")
    broker.ctl("delete_queue", "q")
    broker.ctl("close_all_connections", "maintenance")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        connection.process_data_events(10)
    broker.ctl("delete_user", "nova")
    broker.ctl("delete_vhost", "cells")
    broker.ctl("suspend_listeners")
    broker.ctl("resume_listeners")
    by = rf"INFO rabbitmqctl\{{uid={os.getuid()} pid=\d+\}}: .*"
    for line in ('user added user="nova" tags=[]', 'user tags set user="nova" tags=["monitoring"]',
                 'vhost added vhost="cells"',
                 'permissions set user="nova" vhost="cells" configure="^a" write=".*" read=""',
                 'password changed user="nova"', 'password cleared user="nova"',
                 'permissions cleared user="nova" vhost="cells"', 'firehose switched vhost="/" on=true',
                 'queue purged by an operator queue="q" vhost="/" messages=0',
                 'queue deleted by an operator queue="q" vhost="/" messages=0',
                 'connections to be closed reason="maintenance" vhost="/" connections=1',
                 'user deleted user="nova"', 'vhost deleted vhost="cells"', "listeners suspended", "amqp listening"):
        logged(broker, by + re.escape(line))
    logged(broker, rf'INFO .*connection closed reason="CONNECTION_FORCED - maintenance" user="guest" vhost="/" {WHO}')
    assert "secret" not in broker.log_text()


def test_alarms_have_figures(make_broker):
    """What is used or free, the limit, and where."""
    broker = make_broker('broker.memory_high_watermark="1MiB"', 'broker.disk_free_limit="900TiB"')
    logged(broker, rf"WARN .*memory alarm set: publishers are blocked until it clears used=\d+ limit={1 << 20} ")
    logged(broker, rf'WARN .*disk alarm set: .* free=\d+ limit={900 << 40} folder="{broker.data}"')


def test_another_protocol_is_named(broker):
    """A browser, a client of AMQP 1.0."""
    for header in (b"GET / HTTP/1.1\r\n\r\n", b"AMQP\0\1\0\0"):
        with broker.socket() as client:
            client.sendall(header)
            assert client.recv(8) == HEADER
    logged(broker, r'WARN .*refused: the client does not speak AMQP 0-9-1 header="<<\\"GET / HT\\">>" connection="127')
    logged(broker, r'header="<<65,77,81,80,0,1,0,0>>"')


def test_a_refused_login_waits_and_a_right_one_does_not(broker):
    """Guessing is slow; and whoever shares the guesser's address does not feel it."""
    assert seconds_to_refusal(broker, "guest", "wrong") >= 0.9
    assert seconds_to_refusal(broker, "nobody", "guest") >= 0.9
    guessers = [start_login(broker, "guest", f"guess {n}") for n in range(20)]
    right = []
    for _ in range(3):
        begin = time.monotonic()
        with Raw(broker):
            right.append(time.monotonic() - begin)
    for guesser in guessers:
        guesser.socket.close()
    assert min(right) < 0.9, right
    logged(broker, rf'WARN .*login refused user="guest" mechanism="PLAIN" cause="wrong password" {WHO}')
    logged(broker, r'login refused user="nobody" mechanism="PLAIN" cause="no such user"')


def test_names_cannot_forge_lines_nor_make_them_long(broker):
    """A newline, a quote, an escape sequence; and many bytes, of a name that rabbitmqctl takes too."""
    forged = 'x\n2026-01-01T00:00:00Z  INFO broker: user="admin" logged in\x1b[2J'
    with start_login(broker, forged, "p"), start_login(broker, "u" * 6000, "p"), start_login(broker, 'q" vhost="/', "p"):
        logged(broker, r'login refused user="x\\n2026-01-01T00:00:00Z  INFO broker: user=\\"admin\\" logged in\\u\{1b\}\[2J" ')
        logged(broker, r'login refused user="u{400,600}\.\.\. \(cut\) mechanism')
        logged(broker, r'login refused user="q\\" vhost=\\"/" ')
    broker.ctl("add_user", "n" * 100_000, "p")
    broker.ctl("add_user", "two\nlines", "p")
    logged(broker, r'user added user="n{400,600}\.\.\. \(cut\) tags')
    logged(broker, r'user added user="two\\nlines"')
    lines = broker.log.read_text().splitlines()
    assert max(map(len, lines)) < 5000
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z +(INFO|WARN) |aileron: ", line), line


def test_strangers_cannot_fill_the_log(broker):
    """What needs no password is a few lines, and a count."""
    before = broker.log.stat().st_size
    begin = time.monotonic()
    strangers = 0
    while time.monotonic() - begin < 3:
        for _ in range(20):
            with broker.socket() as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                strangers += 1
    logins = [start_login(broker, "u" * 3000, str(n)) for n in range(30)]
    assert strangers > 50

    def told(kind, words):
        text = broker.log_text()
        one_by_one = len(re.findall(words, text))
        return one_by_one, sum(map(int, re.findall(rf'kind="{kind}" more=(\d+) seconds=10', text)))

    until(lambda: sum(told("clients that do not speak AMQP 0-9-1", "refused: the client does not speak")) == strangers)
    until(lambda: sum(told("refused logins", "login refused ")) == len(logins))
    assert told("refused logins", "login refused ")[1] > 0
    assert broker.log.stat().st_size - before < 40_000
    for login in logins:
        login.socket.close()


def modes(folder):
    """The modes of a folder and all in it."""
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}


def test_the_data_folder_is_closed_to_others(make_broker):
    """Whatever the umask; and where an older release left it open, it is closed and told."""
    before = os.umask(0)
    try:
        broker = make_broker()
        broker.ctl("add_vhost", "more")
        with broker.connect() as connection:
            connection.channel().queue_declare("q", durable=True)
        broker.ctl("snapshot", str(broker.folder / "copy"))
        for folder in (broker.data, broker.folder / "copy"):
            for path, mode in modes(folder).items():
                assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))
        assert "was open" not in broker.log_text()
        assert broker.stop() == 0
        for path in modes(broker.data):
            path.chmod(0o755 if path.is_dir() else 0o644)
        broker.start()
    finally:
        os.umask(before)
    logged(broker, rf'WARN .*was open to other users.* folder="{broker.data}" folders=\d+ files=\d+')
    for path, mode in modes(broker.data).items():
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))


def test_a_folder_with_other_things_is_left_open_and_told(make_broker):
    """Somebody else may need it; what is ours in it is closed all the same."""
    broker = make_broker()
    assert broker.stop() == 0
    (broker.data / "notes").write_text("somebody's")
    broker.data.chmod(0o755)
    (broker.data / "vhosts").chmod(0o755)
    broker.start()
    logged(broker, r"WARN .*others can look into the data folder, and it is left so")
    assert modes(broker.data)[broker.data] == 0o755
    assert modes(broker.data)[broker.data / "vhosts"] == 0o700


def test_health_checks_are_not_told(broker):
    """A load balancer comes every second and says nothing."""
    seen = len(broker.log_text())
    for _ in range(5):
        broker.socket().close()
        with broker.socket() as client:
            client.sendall(HEADER)
            client.recv(100)
    until(lambda: not broker.rows("list_connections", "pid"))
    assert "connection" not in broker.log_text()[seen:]


def test_a_slow_handshake_is_told(make_broker):
    """With the key that says how long it may take."""
    broker = make_broker("broker.handshake_timeout=1")
    with Raw(broker, open_now=False) as raw, pytest.raises(Closed):
        raw.read()
    logged(broker, r'WARN .*handshake was broken off cause="it took too long \(broker.handshake_timeout\)"')
