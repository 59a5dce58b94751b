"""Many methods in one write: the broker works through what one read brings as a batch, and loses nothing of it."""
import struct

from pika import spec

from raw import Raw, method_frame, publish_frames


def test_other_methods_between_publishes(shared_broker, name):
    """The route of the first message is remembered for the second; the batch in between was carried out."""
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue=name), spec.Queue.DeclareOk)
        passive = method_frame(1, spec.Queue.Declare(queue=name, passive=True))
        raw.send((publish_frames(1, "", name, b"one") + passive) * 3 + publish_frames(1, "", name, b"last"))
        assert [raw.expect(spec.Queue.DeclareOk).message_count for _ in range(3)] == [1, 2, 3]
        assert raw.call(1, spec.Queue.Purge(queue=name), spec.Queue.PurgeOk).message_count == 4


def test_acks_and_publishes_mixed(shared_broker, name):
    """An RPC server's traffic: acknowledge, answer, acknowledge, answer, all in one write."""
    count = 200
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue=name), spec.Queue.DeclareOk)
        raw.call(1, spec.Queue.Declare(queue=f"{name}.reply"), spec.Queue.DeclareOk)
        raw.send(b"".join(publish_frames(1, "", name, struct.pack(">I", at)) for at in range(count)))
        raw.call(1, spec.Basic.Consume(queue=name), spec.Basic.ConsumeOk)
        tags = [raw.expect(spec.Basic.Deliver).delivery_tag for _ in range(count)]
        assert tags == list(range(1, count + 1))
        raw.send(b"".join(
            method_frame(1, spec.Basic.Ack(tag)) + publish_frames(1, "", f"{name}.reply", b"done") for tag in tags))
        assert raw.call(1, spec.Queue.Purge(queue=f"{name}.reply"), spec.Queue.PurgeOk).message_count == count
        assert raw.call(1, spec.Queue.Delete(queue=name, if_empty=True), spec.Queue.DeleteOk).message_count == 0


def test_a_message_cut_anywhere(shared_broker, name):
    """Each piece of a publish may come in a read of its own."""
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue=name), spec.Queue.DeclareOk)
        message = publish_frames(1, "", name, b"body" * 10)
        for cut in range(1, len(message)):
            raw.send(message[:cut])
            raw.send(message[cut:])
        raw.send(message[:20])
        for at in range(20, len(message)):
            raw.send(message[at:at + 1])
        assert raw.call(1, spec.Queue.Purge(queue=name), spec.Queue.PurgeOk).message_count == len(message)
