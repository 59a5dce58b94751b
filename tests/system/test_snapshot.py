"""`rabbitmqctl snapshot DIR`: a copy that a broker of its own starts on, with everything confirmed before, while all
goes on."""
import json
import stat
import struct
import threading
import time

import pytest
from broker import Broker
from crash_load import CrashLoad, Queue, Stream, declare
from raw import drain, fill

SMALL = "journal.segment_size=1048576"


@pytest.fixture
def open_copy(make_broker):
    """Starts brokers on copies: open_copy(name); its data folder is the copy."""
    return lambda name, *settings: make_broker(*settings, name=name)


@pytest.fixture
def other_disk(make_disk):
    """A file system of 40 MB of its own."""
    return make_disk("40m")


def place(tmp_path, name):
    """The data folder of the broker that will be called so; there but for itself."""
    (tmp_path / name).mkdir()
    return tmp_path / name / "data"


def numbers(broker, queue, vhost="/"):
    """Takes all messages out of a queue; their numbers, in order."""
    found = []
    with broker.connect(vhost) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue, auto_ack=True))[0]:
            found.append(struct.unpack_from(">Q", message[2])[0])
    return found


def counts(broker, *queues):
    """Messages in these queues."""
    with broker.connect() as connection:
        channel = connection.channel()
        return [channel.queue_declare(queue, passive=True).method.message_count for queue in queues]


@pytest.mark.timeout(300)
def test_everything_confirmed_before_is_in_a_copy_made_under_load(make_broker, open_copy, tmp_path):
    """Publishers with confirms, consumers, two vhosts, reclaim: each copy has what was promised when it was asked for."""
    broker = make_broker(SMALL)
    broker.own_process()
    broker.ctl("add_vhost", "second")
    broker.ctl("set_permissions", "-p", "second", "guest", ".*", ".*", ".*")
    broker.ctl("add_user", "nova", "secret")
    streams = [Stream("both", "", [Queue("a"), Queue("b")]), Stream("", "other", [Queue("other")], vhost="second")]
    declare(broker, streams)
    with broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("all", durable=True)
        channel.queue_bind("all", "both")
    load, promised = CrashLoad(broker, streams), []
    load.start()
    try:
        for copy in range(3):
            time.sleep(1.5)
            confirmed, firm = [], {}
            for stream in streams:
                with stream.lock:
                    confirmed.append(set(stream.confirmed))
                    firm |= {queue.name: set(queue.firm) for queue in stream.queues}
            told = broker.ctl("snapshot", str(place(tmp_path, f"copy{copy}"))).stdout
            assert "Snapshot of 2 vhost(s)" in told, told
            promised.append((confirmed, firm, {q.name: set(q.delivered) for s in streams for q in s.queues}))
    finally:
        load.finish()
    assert not load.problems, "\n".join(load.problems)
    assert len(promised[-1][0][0]) > 500 and promised[-1][1]["a"], "a load that got nothing through shows nothing"
    for copy, (confirmed, firm, delivered) in enumerate(promised):
        other = open_copy(f"copy{copy}", SMALL)
        assert ["nova", "[]"] in other.rows("list_users")
        everything = numbers(other, "all")
        assert everything == sorted(everything) and confirmed[0] <= set(everything)
        for name, sent, vhost in (("a", confirmed[0], "/"), ("b", confirmed[0], "/"), ("other", confirmed[1], "second")):
            found = set(numbers(other, name, vhost))
            assert sent - delivered[name] <= found, name
            assert not found & firm[name], name
        assert other.stop() == 0


def test_the_two_go_their_own_ways(make_broker, open_copy, tmp_path):
    """What one of them gives back and writes over, over restarts too, the other keeps."""
    broker = make_broker(SMALL)
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    fill(broker, "q", 1000, 10000)
    data = place(tmp_path, "copy")
    told = json.loads(broker.ctl("snapshot", str(data), "--formatter", "json").stdout)
    assert told["result"] == "ok" and told["value"]["vhosts"] == 1
    assert told["value"]["linked"] == told["value"]["segments"] - 1 > 5, told
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "definitions.redb").stat().st_mode) == 0o600
    for _ in range(3):
        drain(broker, "q", 1000, 30)
        time.sleep(1.5)
        fill(broker, "q", 1000, 10000)
        broker.kill()
        broker.start()
    other = open_copy("copy", SMALL)
    assert counts(other, "q") == [1000]
    drain(other, "q", 1000, 30)
    fill(other, "q", 500, 10000)
    assert counts(broker, "q") == [1000]
    drain(broker, "q", 1000, 30)
    broker.restart()
    other.restart()
    assert (counts(broker, "q"), counts(other, "q")) == ([0], [500])
    assert "damage" not in broker.log_text() + other.log_text()


def refused(broker, folder):
    """What is said to a snapshot that is not taken."""
    done = broker.ctl("snapshot", str(folder), check=False)
    assert done.returncode == 69, done
    return done.stderr


def test_a_folder_that_is_not_fit_is_refused_and_left_alone(broker, tmp_path):
    """Something is in it, it is a file, it is among the vhosts, the folder above is missing."""
    broker.own_process()
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("kept")
    assert f"{full} is not empty" in refused(broker, full)
    assert [path.name for path in full.iterdir()] == ["mine"]
    assert "mine" in refused(broker, full / "mine") and (full / "mine").read_text() == "kept"
    assert "among the folders of the vhosts" in refused(broker, broker.data / "vhosts" / "7")
    assert "No such file" in refused(broker, tmp_path / "no" / "where")
    assert broker.ctl("snapshot", check=False).returncode == 64
    empty = tmp_path / "empty"
    empty.mkdir()
    broker.ctl("snapshot", str(empty))
    assert f"{empty} is not empty" in refused(broker, empty)
    assert (empty / "definitions.redb").exists()


def test_a_copy_on_another_disk_and_one_that_is_full(make_broker, open_copy, other_disk, tmp_path):
    """Where nothing can be linked it is copied; a lack of space is told, and nothing of the copy stays."""
    broker = make_broker(SMALL)
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    fill(broker, "q", 1000, 10000)
    told = broker.ctl("-q", "snapshot", str(other_disk / "one")).stdout
    assert " 0 of them shared" in told, told
    fill(broker, "q", 3000, 10000)
    assert "No space left on device" in refused(broker, other_disk / "two")
    assert [path.name for path in other_disk.iterdir()] == ["one"]
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "data").symlink_to(other_disk / "one")
    other = open_copy("copy", SMALL)
    assert counts(other, "q") == [1000]
    assert counts(broker, "q") == [4000]


@pytest.mark.timeout(180)
def test_vhosts_that_come_and_go_meanwhile(make_broker, open_copy, tmp_path):
    """Whatever is made or deleted while a copy is made, a broker starts on it, and what stood before is there."""
    broker = make_broker(SMALL)
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    fill(broker, "q", 10, 100)
    stop = threading.Event()

    def come_and_go(name):
        while not stop.is_set():
            broker.ctl("add_vhost", name)
            broker.ctl("delete_vhost", name)

    threads = [threading.Thread(target=come_and_go, args=(f"guest-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        for copy in range(10):
            broker.ctl("snapshot", str(place(tmp_path, f"copy{copy}")))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for copy in range(10):
        other = open_copy(f"copy{copy}", SMALL)
        assert counts(other, "q") == [10]
        named = {row[0] for row in other.rows("list_vhosts")}
        assert "/" in named and named <= {"/", "guest-0", "guest-1", "guest-2"}
        other.ctl("add_vhost", "later")
        assert other.stop() == 0
