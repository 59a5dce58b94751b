"""Where the store's parts meet: purges larger than a record, messages of several queues, a disk that fills up."""
import contextlib
import struct
import threading
import time

import pytest
from broker import Broker
from pika import spec
from raw import Closed, Raw, drain, fill, publish_frames, until

MIB = 1 << 20


def ready(broker, *queues):
    """Messages that are ready in these queues."""
    with broker.connect() as connection:
        channel = connection.channel()
        return [channel.queue_declare(queue, passive=True).method.message_count for queue in queues]


def declare(broker, *queues, exchange=None):
    """Durable queues, bound to a fanout exchange where one is named."""
    with broker.connect() as connection:
        channel = connection.channel()
        if exchange:
            channel.exchange_declare(exchange, "fanout", durable=True)
        for queue in queues:
            channel.queue_declare(queue, durable=True)
            if exchange:
                channel.queue_bind(queue, exchange)


def acknowledge(broker, queue, count, prefetch=200):
    """Consumes so many messages and acknowledges each by itself; exactly these are settled."""
    deliver = struct.pack(">I", spec.Basic.Deliver.INDEX)
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        raw.call(1, spec.Basic.Qos(prefetch_count=min(prefetch, count)), spec.Basic.QosOk)
        raw.method(1, spec.Basic.Consume(queue=queue, consumer_tag="c"))
        got = 0
        while got < count:
            kind, _, payload = raw.read()
            if kind == 1 and payload.startswith(deliver):
                got += 1
                raw.method(1, spec.Basic.Ack(got))
        raw.call(1, spec.Basic.Cancel("c"), spec.Basic.CancelOk)


@pytest.mark.timeout(300)
def test_a_purge_of_millions_stays_purged(broker):
    """A list of settled messages that no single record takes is written all the same."""
    broker.own_process()
    declare(broker, "q", "witness")
    fill(broker, "q", 1_400_000, 10)
    with broker.connect() as connection:
        assert connection.channel().queue_purge("q").method.message_count == 1_400_000
    # What is confirmed later stands behind it.
    fill(broker, "witness", 1, 10)
    broker.kill()
    broker.start(120)
    assert ready(broker, "q", "witness") == [0, 1]


def test_what_one_queue_settled_stays_settled_though_another_keeps_it(make_broker):
    """A reclaim copies what is left of a message of two queues; a clean restart gives nothing back."""
    broker = make_broker(f"journal.segment_size={MIB}")
    broker.own_process()
    declare(broker, "a", "b", exchange="both")
    declare(broker, "filler")
    # Every shared message among others that go: their segments are worth emptying.
    message = (publish_frames(1, "both", "", b"x" * 200, delivery_mode=2)
               + publish_frames(1, "", "filler", b"y" * 600, delivery_mode=2) * 3)
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        for _ in range(60):
            raw.send(message * 100)
        raw.call(1, spec.Basic.Qos(), spec.Basic.QosOk)
    acknowledge(broker, "a", 3000)
    drain(broker, "filler", 18000, 60)
    before, end = broker.store_bytes(), time.monotonic() + 90
    while broker.store_bytes() > before * 2 // 3:
        assert time.monotonic() < end, f"{broker.store_bytes()} of {before} bytes are still there: nothing was reclaimed"
        time.sleep(0.2)
    for _ in range(2):
        broker.restart()
        assert ready(broker, "a", "b", "filler") == [3000, 6000, 0]


@pytest.fixture
def small_disk(make_disk):
    """A file system of 112 MB."""
    return make_disk("112m")


def fill_up(broker, queue, publishers=4):
    """Publishes as fast as it goes until the broker holds everybody back; how many messages were confirmed."""
    message = publish_frames(1, "", queue, b"x" * 200, delivery_mode=2)
    confirmed = [0] * publishers

    def publish(number):
        with Raw(broker, seconds=3) as raw:
            raw.channel()
            raw.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
            sender = threading.Thread(target=send, args=(raw,))
            sender.start()
            try:
                while isinstance(method := raw.read_method(), spec.Basic.Ack):
                    confirmed[number] = method.delivery_tag
            except (OSError, Closed):
                pass  # Held back: nothing more comes.
            raw.reset()
            sender.join()

    def send(raw):
        try:
            while True:
                raw.send(message * 1000)
        except OSError:
            pass

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(publishers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(confirmed)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_full_disk_comes_back_when_it_is_consumed(small_disk, rounds):
    """Filled and drained again and again; then a clean restart, which brings nothing back."""
    broker = Broker(small_disk, [f"journal.segment_size={4 * MIB}", "broker.disk_free_limit=0"])
    broker.start()
    try:
        broker.own_process()
        declare(broker, "q")
        for number in range(rounds):
            confirmed = fill_up(broker, "q")
            assert confirmed > 50_000, f"round {number}: {confirmed}"
            (waiting,) = ready(broker, "q")
            assert waiting >= confirmed
            acknowledge(broker, "q", waiting)
            end = time.monotonic() + 60
            while broker.store_bytes() > 30 * MIB:
                assert time.monotonic() < end, f"round {number}: {broker.store_bytes() // MIB} MiB stay used"
                time.sleep(0.2)
            fill(broker, "q", 100, 200)
            drain(broker, "q", 100, 30)
        broker.restart()
        assert ready(broker, "q") == [0]
    finally:
        broker.close()


def test_a_client_that_goes_while_the_full_disk_keeps_its_answer_is_let_go(make_disk):
    """Nobody reads from it then; what it holds goes back all the same, and its exclusive queue goes with it."""
    broker = Broker(make_disk("24m"), [f"journal.segment_size={MIB}", "broker.disk_free_limit=0"])
    broker.start()
    try:
        broker.own_process()
        declare(broker, "filler", "work", "deleted")
        fill(broker, "work", 20, 50)
        client = Raw(broker)
        client.channel(1)
        client.channel(2)
        client.call(1, spec.Queue.Declare(queue="mine", exclusive=True), spec.Queue.DeclareOk)
        client.method(1, spec.Basic.Consume(queue="work", consumer_tag="c"))
        client.expect(spec.Basic.ConsumeOk)
        fill_up(broker, "filler", publishers=2)
        # Nothing is left for the word of the deletion, so that what is asked behind it waits.
        with open(broker.folder / "rest", "wb", buffering=0) as rest:
            with contextlib.suppress(OSError):
                while True:
                    rest.write(bytes(4096))
            client.method(2, spec.Queue.Delete(queue="deleted"))
            client.method(2, spec.Basic.Qos())
            time.sleep(0.5)
            client.socket.close()
            until(lambda: ["work", "20", "0"] in broker.rows("list_queues", "name", "messages_ready",
                                                             "messages_unacknowledged"))
            assert ["mine"] not in broker.rows("list_queues", "name")
    finally:
        broker.close()
