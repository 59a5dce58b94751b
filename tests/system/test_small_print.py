"""What only a client that looks closely sees: the order of answers, counts, and what does not count any more."""
import time

import pytest
from pika import spec
from raw import Closed, Raw, method_frame, publish_frames
from test_stalls import until


def test_what_follows_an_unknown_delivery_tag_does_not_count(shared_broker, name):
    """In the same write: the channel was closed before it."""
    with shared_broker.connect() as connection:
        connection.channel().queue_declare(name)
    with Raw(shared_broker) as raw:
        raw.channel()
        late = publish_frames(1, "", name, b"late")
        raw.send(publish_frames(1, "", name, b"in time") + method_frame(1, spec.Basic.Ack(77)) + late * 3)
        method = raw.read_method()
        assert isinstance(method, spec.Channel.Close) and method.reply_code == 406
        raw.method(1, spec.Channel.CloseOk())
        raw.channel(2)
        ok = raw.call(2, spec.Queue.Declare(queue=name, passive=True), spec.Queue.DeclareOk)
        assert ok.message_count == 1
        raw.call(2, spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)


def test_a_message_that_expired_behind_the_head_goes_when_the_head_is_taken(shared_broker, name):
    """It is not counted any more."""
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue=name), spec.Queue.DeclareOk)
        raw.send(publish_frames(1, "", name, b"stays") + publish_frames(1, "", name, b"goes", expiration="50"))
        time.sleep(0.3)
        count = lambda: raw.call(1, spec.Queue.Declare(queue=name, passive=True), spec.Queue.DeclareOk).message_count
        assert count() == 2
        raw.call(1, spec.Basic.Get(queue=name), spec.Basic.GetOk)
        until(lambda: count() == 0, 5)
        raw.call(1, spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)


def test_consume_ok_comes_before_the_first_delivery(shared_broker, name):
    """However busy the queue is."""
    with Raw(shared_broker) as publisher, Raw(shared_broker) as consumer:
        publisher.channel()
        publisher.call(1, spec.Queue.Declare(queue=name), spec.Queue.DeclareOk)
        consumer.channel()
        message = publish_frames(1, "", name, b"")
        for turn in range(300):
            publisher.send(message * 20)
            consumer.method(1, spec.Basic.Consume(queue=name, consumer_tag=f"c{turn}", no_ack=True))
            while not isinstance(method := consumer.read_method(), spec.Basic.ConsumeOk):
                assert method.consumer_tag != f"c{turn}", "a delivery before consume-ok"
            consumer.call(1, spec.Basic.Cancel(f"c{turn}"), spec.Basic.CancelOk)
        publisher.call(1, spec.Queue.Delete(queue=name), spec.Queue.DeleteOk)


@pytest.mark.parametrize("durable", [True, False])
def test_who_deletes_a_queue_that_it_consumes_hears_of_the_deletion_first(shared_broker, name, durable):
    """And of its consumer's end then, though the deletion waits for the disk."""
    with Raw(shared_broker) as raw:
        raw.channel()
        for _ in range(20):
            raw.call(1, spec.Queue.Declare(queue=name, durable=durable), spec.Queue.DeclareOk)
            raw.call(1, spec.Basic.Consume(queue=name), spec.Basic.ConsumeOk)
            raw.method(1, spec.Queue.Delete(queue=name))
            assert isinstance(raw.read_method(), spec.Queue.DeleteOk)
            assert isinstance(raw.read_method(), spec.Basic.Cancel)


@pytest.mark.parametrize("traced", ["queue", "exchange"])
def test_the_longest_names_are_traced(broker, traced):
    """The trace's own key has a prefix before the name: what does not fit is left out, and nothing is malformed."""
    long = traced[0] * 255
    broker.ctl("trace_on")
    with Raw(broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="traces"), spec.Queue.DeclareOk)
        raw.call(1, spec.Queue.Bind(queue="traces", exchange="amq.rabbitmq.trace", routing_key="#"), spec.Queue.BindOk)
        if traced == "queue":
            raw.call(1, spec.Queue.Declare(queue=long), spec.Queue.DeclareOk)
            raw.send(publish_frames(1, "", long, b"body"))
            raw.call(1, spec.Basic.Get(queue=long, no_ack=True), spec.Basic.GetOk)
        else:
            raw.call(1, spec.Exchange.Declare(exchange=long), spec.Exchange.DeclareOk)
            raw.send(publish_frames(1, long, "", b"body"))
        keys = []
        until(lambda: keys.append(got(raw)) or keys[-1] and keys[-1][8:9] == traced[0].encode())
        assert len(keys[-1]) == 255
        with pytest.raises((Closed, TimeoutError, AssertionError)):
            raw.socket.settimeout(0.2)
            raw.read_method()


def got(raw):
    """The routing key of the next trace, if there is one."""
    raw.method(1, spec.Basic.Get(queue="traces", no_ack=True))
    method = raw.read_method()
    if isinstance(method, spec.Basic.GetEmpty):
        return None
    assert raw.read()[0] == 2 and raw.read()[0] == 3
    return method.routing_key.encode()
