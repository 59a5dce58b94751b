"""A data folder as commit 05980a5 wrote it, the last one before a log's format version 2, and what is in it.

Made anew by `AILERON_BIN=<the binary of that commit> python3 tests/system/old_data.py`; opened by test_upgrade.py.
"""
import io
import struct
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pika
from broker import Broker

ARCHIVE = Path(__file__).with_name("fixtures") / "data-05980a5.tar.xz"
SEGMENT = "journal.segment_size=1048576"

# Numbers of the messages that are in each queue, by vhost.
KEPT = {
    "/": {"backlog": list(range(2500)),
          # Both got 1,200 from one exchange; "a" settled the first 500, and of the next 500 every second one.
          "a": [n for n in range(1200) if n >= 1000 or (n >= 500 and n % 2 == 1)],
          "b": list(range(1200)),
          # Filled with 3,000, nearly all settled: segments were given back, the rest of them was copied.
          "sparse": list(range(0, 3000, 150)),
          "urgent": [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
          "empty": []},
    "tenant": {"own": list(range(40))},
}
USERS = {("guest", "[administrator]"), ("nova", "[monitoring]"), ("nobody", "[]")}
PERMISSIONS = {"/": {("guest", ".*", ".*", ".*")}, "tenant": {("guest", ".*", ".*", ".*"), ("nova", "^own", ".*", "^own")}}
BINDINGS = {("both", "exchange", "a", "queue", "a"), ("both", "exchange", "b", "queue", "b"),
            ("news", "exchange", "backlog", "queue", "compute.#")}


def body_of(number):
    """Content that can be checked, and that compresses well."""
    return struct.pack(">Q", number) + bytes([number % 251]) * (200 + number * 37 % 1500)


def publish(channel, numbers, exchange, key, **properties):
    """Confirmed when this returns."""
    for number in numbers:
        more = {name: value(number) if callable(value) else value for name, value in properties.items()}
        channel.basic_publish(exchange, key, body_of(number), pika.BasicProperties(delivery_mode=2, **more))


def settle(channel, queue, count, keep):
    """Takes so many messages and acknowledges all that are not kept."""
    for _ in range(count):
        method, _, body = channel.basic_get(queue)
        number = struct.unpack_from(">Q", body)[0]
        if not keep(number):
            channel.basic_ack(method.delivery_tag)


def fill(broker):
    """Everything that test_upgrade.py looks for."""
    broker.ctl("add_user", "nova", "secret")
    broker.ctl("set_user_tags", "nova", "monitoring")
    broker.ctl("add_user", "nobody", "other")
    broker.ctl("add_vhost", "tenant", "--description", "kept too")
    broker.ctl("add_vhost", "deleted")
    broker.ctl("delete_vhost", "deleted")
    broker.ctl("set_permissions", "-p", "tenant", "guest", ".*", ".*", ".*")
    broker.ctl("set_permissions", "-p", "tenant", "nova", "^own", ".*", "^own")
    with broker.connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare("both", "fanout", durable=True)
        channel.exchange_declare("news", "topic", durable=True)
        for queue in KEPT["/"]:
            arguments = {"x-max-priority": 9} if queue == "urgent" else None
            channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_declare("gone", durable=True)
        channel.queue_bind("backlog", "news", "compute.#")
        channel.queue_bind("a", "both")
        channel.queue_bind("b", "both")
        publish(channel, range(3000), "", "sparse")
        publish(channel, range(10), "", "urgent", priority=lambda number: number)
        publish(channel, range(1200), "both", "")
        publish(channel, range(100), "", "gone")
        channel.queue_delete("gone")
        settle(channel, "sparse", 3000, keep=lambda number: number % 150 == 0)
    with broker.connect() as connection:
        channel = connection.channel()
        settle(channel, "a", 1000, keep=lambda number: number >= 500 and number % 2 == 1)
        channel.confirm_delivery()
        publish(channel, range(2500), "news", "compute.node.start")
    with broker.connect("tenant") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("own", durable=True)
        publish(channel, range(40), "", "own")
    # Reclaim has its rounds, and acknowledgements reach the disk.
    time.sleep(3)


def main():
    """Makes the archive: the process is killed, so that the log ends as it happens to."""
    with tempfile.TemporaryDirectory() as home:
        broker = Broker(Path(home) / "broker", [SEGMENT])
        broker.start()
        fill(broker)
        broker.kill()
        ARCHIVE.parent.mkdir(exist_ok=True)
        with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
            for path in sorted(broker.data.rglob("*")):
                if path.is_dir() or path.suffix in (".redb", ".seg"):
                    archive.add(path, path.relative_to(broker.data), recursive=False, filter=plain)
        print(ARCHIVE, ARCHIVE.stat().st_size, "bytes", file=sys.stderr)


def plain(member):
    """Nothing of the machine it is made on."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def unpack(folder):
    """Puts the data folder there."""
    with tarfile.open(fileobj=io.BytesIO(ARCHIVE.read_bytes()), mode="r:xz") as archive:
        for member in archive:
            # By hand: the extraction filters of newer Pythons are not known to all.
            path = folder / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


if __name__ == "__main__":
    main()
