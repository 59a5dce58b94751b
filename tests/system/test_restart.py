"""Restarts: definitions and persistent messages come back, the rest does not; damage on
the disk is reported with file and offset, and the rest is served."""
import os
import re
import signal

import pika
import pytest
from raw import Raw, logged
from pika import spec

PERSISTENT = pika.BasicProperties(delivery_mode=2)
LISTINGS = (("list_queues", "name", "durable", "auto_delete", "arguments", "messages"),
            ("list_exchanges", "name", "type", "durable", "auto_delete", "internal", "arguments"),
            ("list_bindings", "source_name", "destination_name", "destination_kind", "routing_key", "arguments"),
            ("list_users",), ("list_permissions",), ("list_vhosts",), ("list_permissions", "-p", "second"))


def define(broker):
    """Something of every kind that lasts, and of every kind that does not."""
    broker.ctl("add_vhost", "second")
    broker.ctl("add_user", "lixiaohui", "lxhpassword")
    broker.ctl("set_user_tags", "lixiaohui", "monitoring")
    broker.ctl("set_permissions", "-p", "second", "lixiaohui", "^nova", ".*", "")
    broker.ctl("add_user", "gone", "gone")
    broker.ctl("delete_user", "gone")
    connection = broker.connect()
    channel = connection.channel()
    for name, kind in (("d", "direct"), ("f", "fanout"), ("t", "topic"), ("h", "headers")):
        channel.exchange_declare(name, kind, durable=True)
    channel.exchange_declare("transient", "direct")
    channel.exchange_declare("inner", "fanout", durable=True, internal=True, auto_delete=False,
                             arguments={"alternate-exchange": "f"})
    channel.exchange_bind("inner", "t", "to.inner.#")
    channel.queue_declare("plain", durable=True)
    channel.queue_declare("arguments", durable=True,
                          arguments={"x-expires": 1_800_000, "x-message-ttl": 60_000_000, "x-max-priority": 5,
                                     "x-ha-policy": "all"})
    channel.queue_declare("gone-queue", durable=True)
    channel.queue_declare("memory-only")
    for queue in ("plain", "arguments"):
        channel.queue_bind(queue, "d", "key")
        channel.queue_bind(queue, "t", "a.*.#")
        channel.queue_bind(queue, "h", "", {"x-match": "all", "format": "pdf", "number": 7})
    channel.queue_bind("plain", "d", "unbound")
    channel.queue_unbind("plain", "d", "unbound")
    channel.queue_bind("memory-only", "d", "key")
    channel.queue_delete("gone-queue")
    channel.confirm_delivery()
    for number in range(100):
        channel.basic_publish("d", "key", f"kept {number}".encode(), PERSISTENT)
        channel.basic_publish("", "plain", b"transient message")
    for _ in range(20):
        method, _, _ = channel.basic_get("plain")
        channel.basic_ack(method.delivery_tag)
    # Answered after the acknowledgements, and confirmed after them in the log.
    channel.basic_publish("", "plain", b"the last", PERSISTENT)
    return connection


def lasting(broker):
    """All listings, without what must go; messages counted apart."""
    found = {}
    for listing in LISTINGS:
        rows = [row for row in broker.rows(*listing) if not {"memory-only", "transient"} & set(row)]
        if listing[0] == "list_queues":
            rows = [row[:-1] for row in rows]
        found[listing[:3]] = sorted(rows)
    return found


@pytest.mark.parametrize("how", ["clean", "kill"])
def test_definitions_and_messages_come_back(broker, how):
    """After a clean stop and after kill -9."""
    broker.own_process()
    connection = define(broker)
    before = lasting(broker)
    if how == "clean":
        connection.close()
        assert broker.stop() == 0
    else:
        broker.kill()
    broker.start()
    assert lasting(broker) == before
    names = [row[0] for row in broker.rows("list_queues", "name")]
    assert "memory-only" not in names and "gone-queue" not in names
    assert "transient" not in [row[0] for row in broker.rows("list_exchanges", "name")]
    broker.ctl("authenticate_user", "lixiaohui", "lxhpassword")
    assert broker.ctl("authenticate_user", "gone", "gone", check=False).returncode != 0
    with broker.connect() as connection:
        channel = connection.channel()
        bodies = [body for _, _, body in iter(lambda: channel.basic_get("plain", auto_ack=True), (None, None, None))]
        # 20 were taken: kept and transient in turn, so ten of each.
        assert bodies == [f"kept {number}".encode() for number in range(10, 100)] + [b"the last"]
        assert channel.queue_declare("arguments", passive=True).method.message_count == 100
        channel.queue_declare("arguments", durable=True,
                              arguments={"x-expires": 1_800_000, "x-message-ttl": 60_000_000, "x-max-priority": 5,
                                         "x-ha-policy": "all"})


def test_many_restarts(broker):
    """Clean and unclean in turn; messages and order survive all of them."""
    broker.own_process()
    expected = []
    for turn in range(10):
        with broker.connect() as connection:
            channel = connection.channel()
            channel.queue_declare("turns", durable=True)
            channel.confirm_delivery()
            for number in range(20):
                expected.append(f"{turn}.{number}".encode())
                channel.basic_publish("", "turns", expected[-1], PERSISTENT)
            for _ in range(5):
                method, _, body = channel.basic_get("turns")
                assert body == expected.pop(0)
                channel.basic_ack(method.delivery_tag)
            channel.basic_publish("", "turns", b"barrier", PERSISTENT)
            expected.append(b"barrier")
        if turn % 2:
            broker.kill()
        else:
            assert broker.stop(signal.SIGINT) == 0
        broker.start()
    with broker.connect() as connection:
        channel = connection.channel()
        got = [body for _, _, body in iter(lambda: channel.basic_get("turns", auto_ack=True), (None, None, None))]
    assert got == expected


# Damage


def publish_marked(broker, count):
    """Messages whose bodies can be found in the files."""
    with broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("marked", durable=True)
        channel.confirm_delivery()
        for number in range(count):
            channel.basic_publish("", "marked", f"<MARK {number:06d}>".encode() * 100, PERSISTENT)


def find(broker, text):
    """(file, offset) of a text in the data folder."""
    for path in sorted(broker.data.rglob("*")):
        if path.is_file():
            offset = path.read_bytes().find(text.encode())
            if offset >= 0:
                return path, offset
    raise AssertionError(f"{text} is in no file of the store")


def take_all(broker):
    """The marks that are served."""
    with Raw(broker) as raw:
        raw.channel()
        marks = []
        while True:
            raw.method(1, spec.Basic.Get(queue="marked", no_ack=True))
            method = raw.read_method()
            if isinstance(method, spec.Basic.GetEmpty):
                return marks
            assert isinstance(method, spec.Basic.GetOk), method
            header = raw.read()[2]
            size, body = int.from_bytes(header[4:12], "big"), b""
            while len(body) < size:
                body += raw.read()[2]
            marks.append(int(re.match(rb"<MARK (\d+)>", body).group(1)))
            assert body == f"<MARK {marks[-1]:06d}>".encode() * 100


def test_torn_last_record(broker):
    """The last write did not reach the disk whole: that message is gone, the others are there."""
    broker.own_process()
    publish_marked(broker, 50)
    broker.kill()
    path, offset = find(broker, "<MARK 000049>")
    with open(path, "r+b") as file:
        file.seek(offset + 700)
        file.write(bytes(os.path.getsize(path) - offset - 700))
    broker.start()
    assert take_all(broker) == list(range(49))
    logged(broker, re.escape(path.name))
    publish_marked(broker, 5)
    broker.kill()
    broker.start()
    assert take_all(broker) == list(range(5))


def test_flipped_bit(broker):
    """One bit in the middle of a stored body: reported with file and offset, the rest served."""
    broker.own_process()
    publish_marked(broker, 50)
    broker.kill()
    path, offset = find(broker, "<MARK 000020>")
    with open(path, "r+b") as file:
        file.seek(offset + 600)
        byte = file.read(1)[0]
        file.seek(offset + 600)
        file.write(bytes([byte ^ 0x10]))
    broker.start()
    assert take_all(broker) == [number for number in range(50) if number != 20]
    # The record that holds the body starts before it, by a header and the index.
    line = logged(broker, rf"^.*{re.escape(path.name)}.*$").group()
    named = [int(number) for number in re.findall(r"\b\d+\b", line)]
    assert any(offset - 4096 < number <= offset + 600 for number in named), f"no offset near {offset} in: {line}"


def test_second_process_is_refused(broker, make_broker):
    """A data folder in use is refused, and its user is not disturbed."""
    broker.own_process()
    second = make_broker()
    second.stop()
    second.data = broker.data
    with pytest.raises(RuntimeError) as refused:
        second.start(10)
    assert str(broker.data) in str(refused.value)
    publish_marked(broker, 1)
    assert take_all(broker) == [0]
