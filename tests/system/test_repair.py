"""Data folders of which something is missing, foreign or damaged: the start is refused with the name of it, and
`aileron repair` goes on without it on purpose."""
import os
import subprocess

import pika
import pytest
from broker import binary
from raw import drain, fill, logged

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def publish_marked(broker, count):
    """So many persistent messages in a durable queue."""
    with broker.connect() as connection:
        connection.channel().queue_declare("marked", durable=True)
    fill(broker, "marked", count, 1000)


def refused(broker):
    """What a start says that is refused."""
    with pytest.raises(RuntimeError) as error:
        broker.start()
    return str(error.value)


def test_a_lost_vhost_folder_is_told(broker):
    """Refused for a folder that is gone, and for an empty one: a volume that is not mounted. Accepted on purpose."""
    broker.own_process()
    broker.ctl("add_vhost", "second")
    publish_marked(broker, 3)
    assert broker.stop() == 0
    lost = broker.data / "vhosts" / "1"
    lost.rename(broker.folder / "lost")
    told = refused(broker)
    assert "ended with 69" in told and "'second' has lost its messages" in told and str(lost) in told, told
    assert not lost.exists()
    lost.mkdir()
    assert "'second' has lost its messages" in refused(broker)
    assert not list(lost.iterdir())
    assert repair(broker, "--accept-loss").returncode == 0
    broker.start()
    assert broker.rows("list_queues", "name", "messages") == [["marked", "3"]]


@pytest.mark.parametrize("what", ["", "log"])
def test_vhosts_that_changed_places_are_told(broker, what):
    """Another tenant's messages are never served; moved back, all is well."""
    broker.own_process()
    broker.ctl("add_vhost", "second")
    publish_marked(broker, 3)
    assert broker.stop() == 0
    one, other, between = (broker.data / "vhosts" / "0" / what, broker.data / "vhosts" / "1" / what, broker.folder / "x")

    def swap():
        one.rename(between)
        other.rename(one)
        between.rename(other)

    swap()
    assert "move it" in refused(broker)
    seen = repair(broker, "--accept-loss")
    assert seen.returncode == 1 and seen.stdout.count("move it") == 2 and "nothing was done" in seen.stdout, seen
    swap()
    assert repair(broker).returncode == 0
    broker.start()
    assert broker.rows("list_queues", "name", "messages") == [["marked", "3"]]


def test_damaged_and_lost_definitions_are_told(broker):
    """Neither ends in a new node whose guest is administrator."""
    broker.own_process()
    publish_marked(broker, 3)
    assert broker.stop() == 0
    definitions = broker.data / "definitions.redb"
    whole = definitions.read_bytes()
    for page in range(len(whole) // 4096):
        definitions.write_bytes(whole[:page * 4096] + bytes(4096) + whole[(page + 1) * 4096:])
        try:
            broker.start()
            assert broker.stop() == 0
        except RuntimeError as error:
            assert "ended with 69" in str(error) and str(definitions) in str(error), error
    definitions.unlink()
    assert f"{definitions} is missing" in refused(broker)
    definitions.write_bytes(whole)
    broker.start()
    assert broker.rows("list_queues", "name", "messages") == [["marked", "3"]]


def repair(broker, *more, **how):
    """What `aileron repair` says to the broker's folder."""
    command = [binary(), "repair", "--data-dir", broker.data, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **how)


def test_repair_goes_on_without_lost_definitions(broker):
    """Nothing is made anew without a word; with the loss accepted messages are served, and nobody is let in by default."""
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("kept", durable=True)
    fill(broker, "kept", 10, 100)
    broker.stop()
    definitions = broker.data / "definitions.redb"
    definitions.write_bytes(bytes(4096) * 10)
    seen = repair(broker)
    assert seen.returncode == 1 and str(definitions) in seen.stdout and "--accept-loss" in seen.stdout, seen
    assert repair(broker, "--accept-loss").returncode == 0
    broker.start()
    assert repair(broker).returncode == 69, "not while the broker runs"
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        broker.connect()
    broker.ctl("add_user", "guest", "guest")
    broker.ctl("set_permissions", "guest", ".*", ".*", ".*")
    with broker.connect() as connection:
        assert connection.channel().queue_declare("kept", passive=True).method.message_count == 10


def test_a_lost_segment_is_told_and_the_rest_is_served_once_that_is_accepted(make_broker):
    """The start is refused for one in the middle and for the newest; each is told with file and way on."""
    broker = make_broker("journal.segment_size=1048576")
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("kept", durable=True)
    fill(broker, "kept", 600, 10000)
    assert broker.stop() == 0
    assert repair(broker).returncode == 0
    folder = broker.data / "vhosts" / "0" / "log"
    segments = sorted(folder.glob("*.seg"))
    assert len(segments) > 5
    for lost in (segments[2], segments[-1]):
        beside = broker.folder / lost.name
        lost.rename(beside)
        told = refused(broker)
        assert f"{lost} is missing" in told and "positions" in told and "aileron repair" in told, told
        beside.rename(lost)
    (folder / "manifest").rename(broker.folder / "manifest")
    assert "aileron repair" in refused(broker)
    (broker.folder / "manifest").rename(folder / "manifest")
    broker.start()
    assert broker.stop() == 0
    segments = sorted(folder.glob("*.seg"))
    for lost in (segments[2], segments[-1]):
        lost.unlink()
    seen = repair(broker)
    assert seen.returncode == 1 and f"{segments[2]} is missing" in seen.stdout and str(segments[-1]) in seen.stdout
    assert repair(broker).stdout == seen.stdout, "looking changes nothing"
    assert repair(broker, "--accept-loss").returncode == 0
    assert repair(broker).returncode == 0
    broker.start()
    with broker.connect() as connection:
        channel = connection.channel()
        count = channel.queue_declare("kept", passive=True).method.message_count
        # A segment of 1 MiB takes a hundred of them; the newest one may have had none.
        assert 350 < count < 500
    drain(broker, "kept", count, 30)
    fill(broker, "kept", 100, 10000)
    broker.kill()
    broker.start()
    assert broker.rows("list_queues", "name", "messages") == [["kept", str(100)]]


def test_an_older_copy_of_the_newest_segment_is_told(make_broker):
    """What it had got since is not missed without a word."""
    broker = make_broker()
    broker.own_process()
    publish_marked(broker, 3)
    assert broker.stop() == 0
    newest = sorted((broker.data / "vhosts" / "0" / "log").glob("*.seg"))[-1]
    older = newest.read_bytes()
    broker.start()
    fill(broker, "marked", 5, 100)
    assert broker.stop() == 0
    whole = newest.read_bytes()
    for content in (older, whole[:8192], whole[:1], b"", bytes(len(whole))):
        newest.write_bytes(content)
        told = refused(broker)
        assert f"{newest} ends too soon" in told and "aileron repair" in told, told
    newest.write_bytes(whole)
    broker.start()
    assert broker.rows("list_queues", "name", "messages") == [["marked", "8"]]


@pytest.mark.parametrize("how", ["missing", "zeroed"])
def test_messages_of_a_queue_whose_declaration_is_lost_are_kept(make_broker, how):
    """They and its bindings are found in a queue that stands in for it, until that is deleted."""
    broker = make_broker("journal.segment_size=1048576")
    broker.own_process()
    with broker.connect() as connection:
        connection.channel().queue_declare("lost", durable=True)
    fill(broker, "lost", 300, 10000)
    with broker.connect() as connection:
        connection.channel().queue_bind("lost", "amq.direct", "key")
        # The name that it would get.
        connection.channel().queue_declare("recovered-4096", durable=True)
    assert broker.stop() == 0
    first = sorted((broker.data / "vhosts" / "0" / "log").glob("*.seg"))[0]
    if how == "missing":
        first.unlink()
        assert repair(broker, "--accept-loss").returncode == 0
    else:
        # The records, and the index that has them too; the header is whole.
        size = first.stat().st_size
        first.write_bytes(first.read_bytes()[:4096] + bytes(4096) + first.read_bytes()[8192:-20000] + bytes(20000))
        assert first.stat().st_size == size
    broker.start()
    logged(broker, "declaration is lost.*recovered-4096")
    for _ in range(2):
        other, (name, messages) = sorted(broker.rows("list_queues", "name", "messages"))
        assert other == ["recovered-4096", "0"] and name == "recovered-4096-2", (other, name)
        assert int(messages) > 180
        with broker.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("amq.direct", "key", b"more", PERSISTENT, mandatory=True)
        broker.kill()
        broker.start()
    drain(broker, name, int(messages) + 1, 30)
    with broker.connect() as connection:
        connection.channel().queue_delete(name)
    for _ in range(2):
        assert broker.stop() == 0
        broker.start()
        assert broker.rows("list_queues", "name") == [["recovered-4096"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_than_the_brokers_mends_nothing(broker):
    """The broker could not open what root makes in its folder."""
    broker.own_process()
    publish_marked(broker, 3)
    assert broker.stop() == 0
    (broker.data / "definitions.redb").unlink()
    before = sorted(broker.data.rglob("*"))
    os.chown(broker.data, 65534, 65534)
    seen = repair(broker, "--accept-loss")
    assert seen.returncode == 69 and "belongs to the user with number 65534" in seen.stderr, seen
    assert sorted(broker.data.rglob("*")) == before
