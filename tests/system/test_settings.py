"""Every configuration key does what it is there for, seen from outside."""
import re
import subprocess
import time
import tomllib

import pika
import pytest
from broker import binary
from pika import spec
from raw import CLIENT_PROPERTIES, HEADER, Closed, Raw, fill, logged, method_frame, publish_frames
from test_stalls import resident, until

# Keys whose effect other tests show, and which.
ELSEWHERE = {
    "journal.disk_timeout": "tests/services/test_hung_disk.py",
    "broker.listen": "every test's broker",
    "broker.data_dir": "every test's broker",
    "services.inventory": "tests/services/test_hosts.py",
    "services.group": "tests/services/test_hosts.py",
    "services.hosts": "tests/services/test_hosts.py",
    "services.credentials": "tests/services/test_mariadb.py",
    "services.interval": "tests/services/test_history.py",
}


def test_every_key_has_a_test():
    """A new key without one fails here."""
    shown = subprocess.run([binary(), "config", "show"], capture_output=True, text=True, check=True).stdout
    keys = {f"{section}.{key}" for section, table in tomllib.loads(shown).items() for key in table}
    keys.add("broker.default_pass")
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_") and "__" in name]
    tested = {name.replace("__", ".", 1) for name in tests}
    assert keys == tested | set(ELSEWHERE)


def tune_of(broker):
    """What the broker offers at the start of a connection."""
    with Raw(broker, open_now=False) as raw:
        raw.send(HEADER)
        raw.expect(spec.Connection.Start)
        raw.send(method_frame(0, spec.Connection.StartOk(CLIENT_PROPERTIES, "PLAIN", "\0guest\0guest", "en_US")))
        return raw.expect(spec.Connection.Tune)


def test_node__name(make_broker):
    """The node calls itself so."""
    broker = make_broker('node.name="rabbit@controller-7"')
    assert "Status of node rabbit@controller-7" in broker.ctl("status").stdout
    assert broker.rows("list_connections", "pid") == []
    with Raw(broker):
        assert broker.rows("list_connections", "pid")[0][0].startswith("<rabbit@controller-7.")


def test_broker__heartbeat(make_broker):
    """Offered, and beaten."""
    broker = make_broker("broker.heartbeat=7")
    assert tune_of(broker).heartbeat == 7
    with Raw(broker, heartbeat=1) as raw:
        assert raw.read()[0] == 8


def test_broker__frame_max(make_broker):
    """Offered; larger frames end the connection, and larger bodies come in pieces."""
    broker = make_broker("broker.frame_max=8192")
    assert tune_of(broker).frame_max == 8192
    with Raw(broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
        raw.send(publish_frames(1, "", "q", b"x" * 20_000, frame_max=8192))
        raw.call(1, spec.Basic.Get(queue="q", no_ack=True), spec.Basic.GetOk)
        sizes = [len(raw.read()[2]) for _ in range(4)][1:]
        assert sum(sizes) == 20_000 and max(sizes) <= 8184
        raw.send(publish_frames(1, "", "q", b"x" * 20_000, frame_max=1 << 20))
        assert raw.wait_closed() == 501


def test_broker__channel_max(make_broker):
    """No channel more."""
    broker = make_broker("broker.channel_max=3")
    assert tune_of(broker).channel_max == 3
    with Raw(broker) as raw:
        for number in (1, 2, 3):
            raw.channel(number)
        raw.method(4, spec.Channel.Open())
        assert raw.wait_closed() == 530


def test_broker__max_message_size(make_broker):
    """A larger message ends its channel."""
    broker = make_broker("broker.max_message_size=1000")
    with Raw(broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
        raw.send(publish_frames(1, "", "q", b"x" * 1000))
        raw.call(1, spec.Basic.Get(queue="q", no_ack=True), spec.Basic.GetOk)
        raw.send(publish_frames(1, "", "q", b"x" * 1001))
        method = raw.read_method()
        assert isinstance(method, spec.Channel.Close) and method.reply_code == 406


def is_blocked(broker):
    """Whether a publisher is told to wait."""
    with Raw(broker, seconds=5) as raw:
        raw.channel()
        raw.send(publish_frames(1, "", "nowhere", b""))
        try:
            return isinstance(raw.read_method(), spec.Connection.Blocked)
        except TimeoutError:
            return False


def test_broker__memory_high_watermark(make_broker):
    """Publishers wait while the broker has more."""
    assert is_blocked(make_broker('broker.memory_high_watermark="1MiB"', name="small"))
    assert not is_blocked(make_broker('broker.memory_high_watermark="4GiB"', name="large"))


def test_broker__disk_free_limit(make_broker):
    """Publishers wait while the disk has less."""
    assert is_blocked(make_broker('broker.disk_free_limit="900TiB"', name="much"))
    assert not is_blocked(make_broker('broker.disk_free_limit="1MiB"', name="little"))


def test_broker__memory_for_messages(make_broker):
    """What does not fit lies on disk only."""
    held = {}
    for amount in ("1MiB", "1GiB"):
        broker = make_broker(f'broker.memory_for_messages="{amount}"', name=amount)
        with Raw(broker) as raw:
            raw.channel()
            raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
            for _ in range(3000):
                raw.send(publish_frames(1, "", "q", b"x" * 30_000))
            raw.call(1, spec.Queue.Declare(queue="q", passive=True), spec.Queue.DeclareOk)
        time.sleep(1)
        held[amount] = resident(broker)
    assert held["1MiB"] + 30 < held["1GiB"], held


def test_broker__loopback_users(make_broker):
    """Those named come in by the loopback only."""
    broker = make_broker('broker.loopback_users=["guest", "inside"]')
    for user in ("inside", "outside"):
        broker.ctl("add_user", user, "secret")
        broker.ctl("set_permissions", user, ".*", ".*", ".*")
        # All of 127.0.0.0/8 is the loopback: from here both may.
        parameters = pika.ConnectionParameters("127.0.0.1", broker.port, credentials=pika.PlainCredentials(user, "secret"))
        pika.BlockingConnection(parameters).close()
    shown = subprocess.run([binary(), "config", "show", "--set", 'broker.loopback_users=["guest", "inside"]'],
                           capture_output=True, text=True, check=True).stdout
    assert 'loopback_users = ["guest", "inside"]' in shown


def test_broker__default_user(make_broker):
    """The first start makes this user, an administrator, and no guest."""
    broker = make_broker('broker.default_user="first"', 'broker.default_pass="word"')
    assert broker.rows("list_users") == [["first", "[administrator]"]]


def test_broker__default_pass(make_broker):
    """Its password."""
    broker = make_broker('broker.default_pass="word"')
    broker.ctl("authenticate_user", "guest", "word")
    assert broker.ctl("authenticate_user", "guest", "guest", check=False).returncode == 65


def test_broker__default_vhost(make_broker):
    """The first start makes this virtual host, and gives the first user all rights there."""
    broker = make_broker('broker.default_vhost="openstack"')
    assert [row[0] for row in broker.rows("list_vhosts", "name")] == ["openstack"]
    with broker.connect("openstack") as connection:
        connection.channel().queue_declare("q")


def test_broker__handshake_timeout(make_broker):
    """Who does not log in in time is let go."""
    broker = make_broker("broker.handshake_timeout=1.5")
    with Raw(broker, open_now=False) as raw:
        begin = time.monotonic()
        raw.wait_closed()
        assert time.monotonic() - begin >= 1


def test_broker__max_connections(make_broker):
    """One more is turned away; one less, and another comes in."""
    broker = make_broker("broker.max_connections=3")
    until(lambda: not broker.rows("list_connections", "pid"))
    clients = [Raw(broker) for _ in range(3)]
    with pytest.raises((Closed, ConnectionError)):
        Raw(broker)
    clients.pop().socket.close()
    until(lambda: len(broker.rows("list_connections", "pid")) == 2)
    with Raw(broker):
        pass
    for client in clients:
        client.socket.close()


def test_journal__segment_size(make_broker):
    """The log's files are of this size."""
    broker = make_broker("journal.segment_size=2097152")
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    fill(broker, "q", 500, 10_000)
    sizes = {path.stat().st_size for path in broker.data.rglob("log/*.seg")}
    assert sizes == {2 << 20}
    assert len(list(broker.data.rglob("log/*.seg"))) >= 3


def test_ctl__socket(make_broker, tmp_path):
    """rabbitmqctl finds the node there."""
    socket = tmp_path / "elsewhere.sock"
    broker = make_broker(f'ctl.socket="{socket}"')
    assert broker.ctl("status", check=False).returncode == 69
    broker.ctl_environment["AILERON_CTL_SOCKET"] = str(socket)
    broker.ctl("status")


def test_log__level(make_broker):
    """How much is told."""
    quiet, loud = make_broker("log.level=error", name="quiet"), make_broker("log.level=debug", name="loud")
    for broker in (quiet, loud):
        with Raw(broker):
            pass
    logged(loud, r"DEBUG.*accepted")
    assert not re.search("INFO|WARN|DEBUG", quiet.log_text())
