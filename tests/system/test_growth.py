"""What the broker's work grows with: eight times as many consumers, queues or channels cost some eight times as much,
and what does not concern them costs the same. Processor time of the broker is compared with itself, never with a clock."""
import itertools
from pathlib import Path

import pytest
from pika import spec
from raw import Raw, method_frame, publish_frames

NUMBERS = itertools.count()
# Eight times as much of anything that grows with it, or with it and its logarithm; sixty-four would be its square.
TIMES, AT_MOST = 8, 24


def processor_time(broker):
    """Seconds that the broker's threads have run."""
    tasks = Path(f"/proc/{broker.own_process().pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def sync(raw):
    """All that was sent is worked through."""
    raw.call(1, spec.Queue.Declare(queue="sync"), spec.Queue.DeclareOk)


def names(many):
    """Names of queues that no connection had before."""
    return [f"q{next(NUMBERS)}" for _ in range(many)]


def consumes(queues):
    """One consumer of each queue named, on channel 1."""
    return b"".join(method_frame(1, spec.Basic.Consume(queue=queue, consumer_tag=str(number), nowait=True))
                    for number, queue in enumerate(queues))


def grows(broker, cost, few):
    """How many times as much the work on eight times as many costs; less than five milliseconds is as good as five."""
    small = min(cost(few) for _ in range(3))
    large = min(cost(few * TIMES) for _ in range(2))
    print(f"{few}: {small:.4f} s, {few * TIMES}: {large:.4f} s")
    return large / max(small, 0.005)


@pytest.fixture
def measured(broker):
    """Processor time of what is sent, to its end."""
    def measure(raw, data):
        sync(raw)
        before = processor_time(broker)
        raw.send(data)
        sync(raw)
        return processor_time(broker) - before
    return measure


def test_consumers_of_a_queue_come_and_go(broker, measured):
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            raw.channel()
            raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
            come = measured(raw, consumes(["q"] * many))
            go = measured(raw, b"".join(method_frame(1, spec.Basic.Cancel(str(number), nowait=True)) for number in range(many)))
            return come + go

    assert grows(broker, cost, 4000) < AT_MOST


def limited(broker, measured, many, frames):
    """Cost of frames on a channel whose consumers of one queue share a limit of 20, all of which is delivered."""
    with Raw(broker, seconds=120) as raw:
        raw.channel()
        queue, = names(1)
        raw.call(1, spec.Queue.Declare(queue=queue), spec.Queue.DeclareOk)
        raw.send(publish_frames(1, "", queue, b"x") * 100)
        raw.call(1, spec.Basic.Qos(prefetch_count=20, global_qos=True), spec.Basic.QosOk)
        raw.send(consumes([queue] * many))
        return measured(raw, frames)


@pytest.mark.parametrize("frames", [
    method_frame(1, spec.Basic.Qos(prefetch_count=20, global_qos=True)) * 20,
    b"".join(method_frame(1, spec.Basic.Nack(tag, requeue=True)) for tag in range(1, 21)),
    b"".join(method_frame(1, spec.Basic.Ack(tag)) + method_frame(1, spec.Channel.Flow(True)) for tag in range(1, 21)),
], ids=["qos", "nack", "ack"])
def test_frames_of_a_limited_channel_cost_the_same_whatever_its_consumers(broker, measured, frames):
    assert grows(broker, lambda many: limited(broker, measured, many, frames), 500) < 4


def test_queues_of_a_limited_channel(broker, measured):
    """The limit is used up: what becomes of one queue's messages is none of the others' business."""
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            raw.channel()
            raw.call(1, spec.Basic.Qos(prefetch_count=20, global_qos=True), spec.Basic.QosOk)
            queues = names(many)
            for queue in queues:
                raw.send(method_frame(1, spec.Queue.Declare(queue=queue, exclusive=True, nowait=True)))
            raw.send(b"".join(publish_frames(1, "", queue, b"x") for queue in queues))
            raw.send(consumes(queues))
            nacks = b"".join(method_frame(1, spec.Basic.Nack(tag, requeue=True)) for tag in range(1, 21))
            return measured(raw, nacks)

    assert grows(broker, cost, 500) < 4


def test_channels_of_a_connection(broker, measured):
    """Each message that goes back costs the same, whatever else is open."""
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            for number in range(1, many + 1):
                raw.method(number, spec.Channel.Open())
            for number in range(1, many + 1):
                raw.expect(spec.Channel.OpenOk)
            queue, = names(1)
            raw.call(1, spec.Queue.Declare(queue=queue), spec.Queue.DeclareOk)
            raw.send(publish_frames(1, "", queue, b"x") * 1000 + method_frame(1, spec.Basic.Get(queue=queue)) * 1000)
            return measured(raw, b"".join(method_frame(1, spec.Basic.Nack(tag, requeue=True)) for tag in range(1, 1001)))

    assert grows(broker, cost, 250) < 4


def test_queues_that_a_client_leaves_unread(broker, measured):
    """A message to each of them, again and again, where there has been no room for long."""
    def cost(many):
        with Raw(broker, seconds=120) as idle, Raw(broker, seconds=120) as busy:
            idle.channel()
            busy.channel()
            busy.call(1, spec.Exchange.Declare(exchange=f"all{many}", type="fanout"), spec.Exchange.DeclareOk)
            queues = names(many)
            for queue in queues:
                idle.send(method_frame(1, spec.Queue.Declare(queue=queue, exclusive=True, nowait=True))
                          + method_frame(1, spec.Queue.Bind(queue=queue, exchange=f"all{many}", routing_key="", nowait=True)))
            idle.send(consumes(queues))
            sync(idle)
            return measured(busy, publish_frames(1, f"all{many}", "", b"x" * 1000) * 10)

    assert grows(broker, cost, 1000) < AT_MOST


def exchanges(raw, many):
    """So many fanout exchanges; their names."""
    made = names(many)
    raw.send(b"".join(method_frame(1, spec.Exchange.Declare(exchange=name, type="fanout", nowait=True)) for name in made))
    return made


def test_exchanges_behind_an_exchange(broker, measured):
    """Messages with keys of their own, so that no route is remembered."""
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            raw.channel()
            source, *others = exchanges(raw, many + 1)
            raw.send(b"".join(method_frame(1, spec.Exchange.Bind(destination=other, source=source, nowait=True)) for other in others))
            return measured(raw, b"".join(publish_frames(1, source, f"k{number}", b"") for number in range(20)))

    assert grows(broker, cost, 1500) < AT_MOST


def test_exchanges_before_an_exchange(broker, measured):
    """What is bound to one is news for all that lead to it."""
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            raw.channel()
            destination, *others = exchanges(raw, many + 1)
            raw.send(b"".join(method_frame(1, spec.Exchange.Bind(destination=destination, source=other, nowait=True))
                              for other in others))
            queue, = names(1)
            raw.call(1, spec.Queue.Declare(queue=queue, exclusive=True), spec.Queue.DeclareOk)
            return measured(raw, b"".join(method_frame(1, spec.Queue.Bind(
                queue=queue, exchange=destination, routing_key=str(number), nowait=True)) for number in range(20)))

    assert grows(broker, cost, 1500) < AT_MOST


def test_queues_of_copied_messages(broker, measured):
    """A message with a second key finds all of its queues twice."""
    def cost(many):
        with Raw(broker, seconds=120) as raw:
            raw.channel()
            source, = exchanges(raw, 1)
            for queue in names(many):
                raw.send(method_frame(1, spec.Queue.Declare(queue=queue, exclusive=True, nowait=True))
                         + method_frame(1, spec.Queue.Bind(queue=queue, exchange=source, routing_key="", nowait=True)))
            return measured(raw, publish_frames(1, source, "a", b"", headers={"CC": ["b"]}) * 10)

    assert grows(broker, cost, 500) < AT_MOST
