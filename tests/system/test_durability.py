"""What was confirmed is there after kill -9, in order; what was firmly acknowledged is not."""
import random
import threading
import time

import pytest
from crash_load import CrashLoad, Queue, Stream, declare
from pika import spec
from raw import Raw, fill, method_frame, publish_frames

KILLS, MANY_KILLS = 50, 500


def streams_for(broker):
    """Two single queues, a fanout into two, and a queue in a virtual host (a log) of its own."""
    broker.ctl("add_vhost", "second", check=False)
    broker.ctl("set_permissions", "-p", "second", "guest", ".*", ".*", ".*")
    return [Stream("", "one", [Queue("one")]),
            Stream("", "two", [Queue("two")]),
            Stream("crash.fanout", "", [Queue("fan-a"), Queue("fan-b")]),
            Stream("", "other", [Queue("other")], vhost="second")]


def kill_and_kill(broker, kills, noise):
    """Kills the broker under load so many times, and checks what was promised."""
    broker.own_process()
    streams = streams_for(broker)
    declare(broker, streams)
    load, chance = CrashLoad(broker, streams, streams[2] if noise else None), random.Random(1)
    load.start()
    starts = []
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.2, 0.9))
            starts.append(load.kill())
            if load.problems:
                break
    finally:
        load.finish()
    sent = sum(stream.sent for stream in streams)
    confirmed = sum(len(stream.confirmed) for stream in streams)
    firm = sum(len(queue.firm) for stream in streams for queue in stream.queues)
    print(f"{sent} sent, {confirmed} confirmed, {firm} firmly acknowledged, "
          f"longest start {max(starts):.2f} s, {len(starts)} kills")
    assert not load.problems, "\n".join(load.problems)
    # A load that got nothing through has shown nothing.
    assert confirmed > 50 * kills and firm > 10 * kills


@pytest.mark.timeout(600)
def test_kill_under_load(broker):
    """kill -9 under load, 50 times: nothing confirmed lost, nothing firmly acknowledged back, order kept."""
    kill_and_kill(broker, KILLS, noise=False)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_kill_under_load_with_noise(make_broker):
    """The same 500 times, with purges, deletions and transactions on the same messages, small segments, little memory."""
    broker = make_broker("journal.segment_size=1048576", "broker.memory_for_messages=1000000")
    kill_and_kill(broker, MANY_KILLS, noise=True)


def test_load_is_a_true_witness(broker):
    """The same load without a kill: all sent is confirmed and delivered."""
    streams = streams_for(broker)
    declare(broker, streams)
    load = CrashLoad(broker, streams)
    load.start()
    time.sleep(2)
    load.finish()
    assert not load.problems, "\n".join(load.problems)
    for stream in streams:
        assert stream.confirmed == set(range(stream.sent))
        for queue in stream.queues:
            assert queue.delivered == stream.confirmed
            assert queue.firm


def test_what_was_declared_or_deleted_and_answered_outlives_a_kill(broker):
    """The answer is the promise, as for RabbitMQ: killed the moment it is read, nothing of it is gone or back."""
    broker.own_process()
    names = [f"promised-{number}" for number in range(12)]
    for name in names:
        with Raw(broker) as raw:
            raw.channel()
            raw.call(1, spec.Exchange.Declare(exchange=name, type="topic", durable=True), spec.Exchange.DeclareOk)
            raw.call(1, spec.Queue.Declare(queue=name, durable=True), spec.Queue.DeclareOk)
            raw.call(1, spec.Queue.Bind(queue=name, exchange=name, routing_key="key.#"), spec.Queue.BindOk)
            broker.kill()
        broker.start()
        with Raw(broker) as raw:
            raw.channel()
            raw.send(publish_frames(1, name, "key.1", b"there"))
            assert raw.call(1, spec.Queue.Declare(queue=name, passive=True), spec.Queue.DeclareOk).message_count == 1
            raw.call(1, spec.Queue.Unbind(queue=name, exchange=name, routing_key="key.#"), spec.Queue.UnbindOk)
            broker.kill()
        broker.start()
        with Raw(broker) as raw:
            raw.channel()
            raw.send(publish_frames(1, name, "key.1", b"nowhere"))
            assert raw.call(1, spec.Queue.Declare(queue=name, passive=True), spec.Queue.DeclareOk).message_count == 0
            raw.call(1, spec.Exchange.Delete(exchange=name), spec.Exchange.DeleteOk)
            raw.call(1, spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)
            broker.kill()
        broker.start()
    assert not [row for row in broker.rows("list_queues", "name") if row[0] in names]
    assert not [row for row in broker.rows("list_exchanges", "name") if row[0] in names]


def test_what_was_emptied_and_answered_outlives_a_kill(broker):
    """A purge, and what operators delete and purge: killed the moment it is answered, nothing of it is back."""
    broker.own_process()

    def filled(name):
        with broker.connect() as connection:
            channel = connection.channel()
            channel.queue_declare(name, durable=True)
        fill(broker, name, 1000, 100)

    filled("by-client")
    with Raw(broker) as raw:
        raw.channel()
        assert raw.call(1, spec.Queue.Purge(queue="by-client"), spec.Queue.PurgeOk).message_count == 1000
        broker.kill()
    broker.start()
    filled("emptied")
    broker.ctl("purge_queue", "emptied")
    broker.kill()
    broker.start()
    filled("deleted")
    broker.ctl("delete_queue", "deleted")
    broker.kill()
    broker.start()
    queues = dict(broker.rows("list_queues", "name", "messages"))
    assert queues.get("by-client") == queues.get("emptied") == "0" and "deleted" not in queues, queues


def test_what_was_declared_before_a_close_outlives_a_kill(broker):
    """In one write: each is answered, in order, and the last answer promises those that the client waived."""
    broker.own_process()
    close = method_frame(0, spec.Connection.Close(200, "bye", 0, 0))
    for number in range(5):
        waived = method_frame(1, spec.Queue.Declare(queue=f"waived-{number}", durable=True, nowait=True))
        asked = method_frame(1, spec.Queue.Declare(queue=f"asked-{number}", durable=True))
        with Raw(broker) as raw:
            raw.channel()
            raw.send(asked + waived + close)
            raw.expect(spec.Queue.DeclareOk)
            raw.expect(spec.Connection.CloseOk)
            broker.kill()
        broker.start()
        names = [row[0] for row in broker.rows("list_queues", "name")]
        assert {f"waived-{number}", f"asked-{number}"} <= set(names)


def test_declarations_sent_together_share_a_sync_and_keep_their_order(broker):
    """Ten thousand queues, and one answer after the other; what is asked behind them is answered behind them."""
    count = 10_000
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        frames = b"".join(method_frame(1, spec.Queue.Declare(queue=f"many-{number}", durable=True))
                          for number in range(count))
        threading.Thread(target=raw.send, args=[frames + method_frame(1, spec.Basic.Qos(prefetch_count=1))]).start()
        for number in range(count):
            assert raw.expect(spec.Queue.DeclareOk).queue == f"many-{number}"
        assert isinstance(raw.read_method(), spec.Basic.QosOk)
