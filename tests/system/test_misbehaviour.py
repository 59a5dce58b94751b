"""A client that misbehaves harms only itself: beside each one a good client works on, undisturbed."""
import os
import struct
import threading
import time

import pika
import pytest
from pika import frame, spec
from raw import HEADER, Closed, Raw, method_frame, open_files, plain_frame, publish_frames

# A good client never waits longer than this for its own message: far above what a
# busy test machine does, far below what a stall would be.
LONGEST_WAIT = 5.0


class Neighbour(threading.Thread):
    """A good client: publishes with confirms, gets its message back, over and over."""

    def __init__(self, broker, name):
        super().__init__(daemon=True)
        self.broker, self.queue, self.stopping = broker, name, threading.Event()
        self.rounds, self.longest, self.error = 0, 0.0, None

    def run(self):
        try:
            connection = self.broker.connect()
            channel = connection.channel()
            channel.queue_declare(self.queue)
            channel.confirm_delivery()
            while not self.stopping.is_set():
                start, body = time.monotonic(), f"round {self.rounds}".encode()
                channel.basic_publish("", self.queue, body)
                _, _, got = channel.basic_get(self.queue, auto_ack=True)
                assert got == body, f"{got} instead of {body}"
                self.longest = max(self.longest, time.monotonic() - start)
                self.rounds += 1
                self.stopping.wait(0.002)
            channel.queue_delete(self.queue)
            connection.close()
        except Exception as error:  # told to the test by finish()
            self.error = error

    def finish(self):
        """Stops it and says whether it was well all the time."""
        self.stopping.set()
        self.join(30)
        assert self.error is None, f"the good client failed: {self.error!r}"
        assert self.rounds > 5, f"the good client got only {self.rounds} messages through"
        assert self.longest < LONGEST_WAIT, f"the good client once waited {self.longest:.1f} s"


@pytest.fixture
def neighbour(shared_broker, name):
    """A good client on the shared broker for as long as the test runs."""
    neighbour = Neighbour(shared_broker, f"{name}.neighbour")
    neighbour.start()
    yield neighbour
    time.sleep(0.2)
    neighbour.finish()


def test_oversize_frame(shared_broker, neighbour):
    """A frame beyond frame_max ends the connection, before its bytes have come."""
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.send(struct.pack(">BHI", 3, 1, 0x7FFF_FFFF))
        raw.send(b"x" * 1000)
        assert raw.wait_closed() in (0, 501)


def test_wrong_frame_end(shared_broker, neighbour):
    """A frame that does not end with 206."""
    with Raw(shared_broker) as raw:
        raw.send(plain_frame(1, 1, struct.pack(">HHB", 20, 10, 0), end=0))
        assert raw.wait_closed() in (0, 501)


@pytest.mark.parametrize("what", ["publish before channel.open", "channel.open before connection.open",
                                  "body without header", "tune-ok again", "start-ok again"])
def test_wrong_state(shared_broker, neighbour, what):
    """The right method at the wrong time."""
    opened = what != "channel.open before connection.open"
    with Raw(shared_broker, open_now=opened) as raw:
        if what == "publish before channel.open":
            raw.send(publish_frames(7, "", "nowhere", b"body"))
        elif what == "channel.open before connection.open":
            raw.send(HEADER)
            raw.expect(spec.Connection.Start)
            raw.method(1, spec.Channel.Open())
        elif what == "body without header":
            raw.channel()
            raw.send(frame.Body(1, b"body").marshal())
        elif what == "tune-ok again":
            raw.method(0, spec.Connection.TuneOk(10, 4096, 0))
        else:
            raw.method(0, spec.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"))
        assert raw.wait_closed() in (0, 501, 503, 504, 505, 540)


@pytest.mark.parametrize("payload", [struct.pack(">HH", 99, 99), struct.pack(">HH", 60, 9999),
                                     struct.pack(">HH", 50, 10), b"\x00", b""], ids=lambda p: p.hex() or "empty")
def test_unknown_and_cut_off_methods(shared_broker, neighbour, payload):
    """Methods that do not exist, or stop in the middle."""
    with Raw(shared_broker) as raw:
        raw.channel()
        raw.send(plain_frame(1, 1, payload))
        assert raw.wait_closed() in (0, 501, 502, 503, 540)


def test_garbage(shared_broker, neighbour):
    """Noise instead of a protocol header is answered with the right one; noise later ends the connection."""
    for seed in range(20):
        noise = bytes((seed * 7919 + i * 104729) % 251 for i in range(4000))
        with Raw(shared_broker, open_now=False) as raw:
            raw.send(b"GET / HTTP/1.1\r\n\r\n" if seed == 0 else b"\xff" + noise)
            answer = b""
            try:
                while data := raw.socket.recv(4096):
                    answer += data
            except ConnectionResetError:
                # It hung up with some of our noise unread; the answer may be lost with that.
                pass
            assert answer in (b"", HEADER)
        with Raw(shared_broker) as raw:
            raw.channel()
            raw.send(b"\xfe" + noise)
            raw.wait_closed()


def test_half_open_connections(make_broker, name):
    """Who does not finish the handshake in time is let go; others connect all the while."""
    broker = make_broker("broker.handshake_timeout=2")
    neighbour = Neighbour(broker, name)
    neighbour.start()
    starts = [b"", HEADER[:4], HEADER, HEADER + b"\x01\x00\x00"]
    waiting = [Raw(broker, open_now=False) for _ in range(200)]
    for number, raw in enumerate(waiting):
        raw.send(starts[number % len(starts)])
    begin = time.monotonic()
    for raw in waiting:
        raw.wait_closed(20)
        raw.socket.close()
    assert 1 < time.monotonic() - begin < 15
    neighbour.finish()


def test_slow_writers(shared_broker, neighbour, name):
    """Messages that come a byte at a time arrive whole."""
    body = b"slow but right"
    data = publish_frames(1, "", name, body)
    with shared_broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare(name)
        writers = [Raw(shared_broker) for _ in range(20)]
        for raw in writers:
            raw.channel()
        for at in range(len(data)):
            for raw in writers:
                raw.send(data[at:at + 1])
        end = time.monotonic() + 20
        while channel.queue_declare(name, passive=True).method.message_count < len(writers):
            assert time.monotonic() < end, "messages are missing"
            time.sleep(0.05)
        assert channel.basic_get(name, auto_ack=True)[2] == body
        channel.queue_delete(name)
        for raw in writers:
            raw.socket.close()


def test_5000_connections_opened_and_dropped(broker, name):
    """Opened, some of them fully, and dropped without a goodbye: nothing of them stays."""
    neighbour = Neighbour(broker, name)
    neighbour.start()
    process = None if broker.external else broker.own_process()
    files = open_files(process) if process else 0
    for batch in range(50):
        raws = [Raw(broker, open_now=number % 5 == 0) for number in range(100)]
        for number, raw in enumerate(raws):
            if number % 3 == 0:
                raw.send(HEADER[:batch % 8])
            raw.reset()
    if process:
        end = time.monotonic() + 30
        while open_files(process) > files + 20 or len(broker.rows("list_connections", "pid")) > 1:
            rows = broker.rows("list_connections", "pid")
            assert time.monotonic() < end, f"{open_files(process)} files open, {files} before, {rows}"
            time.sleep(0.1)
        assert broker.memory() < 300 << 20
    neighbour.finish()


def test_consumer_that_never_reads(broker, name):
    """Its queue grows, its connection stands still, everybody else works."""
    neighbour = Neighbour(broker, f"{name}.neighbour")
    neighbour.start()
    body, count = b"x" * 10_000, 10_000
    with broker.connect() as connection, Raw(broker) as deaf:
        channel = connection.channel()
        channel.queue_declare(name)
        deaf.channel()
        deaf.call(1, spec.Basic.Consume(queue=name, no_ack=True), spec.Basic.ConsumeOk)
        channel.confirm_delivery()
        for _ in range(count // 100):
            with_many = publish_frames(1, "", name, body) * 100
            with Raw(broker) as writer:
                writer.channel()
                writer.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
                writer.send(with_many)
                confirmed = 0
                while confirmed < 100:
                    ack = writer.expect(spec.Basic.Ack)
                    confirmed = ack.delivery_tag if ack.multiple else confirmed + 1
        left = channel.queue_declare(name, passive=True).method.message_count
        assert left > count // 2, f"only {left} of {count} still queued: an outbox without a bound"
        deaf.reset()
        end = time.monotonic() + 20
        while channel.queue_declare(name, passive=True).method.consumer_count:
            assert time.monotonic() < end, "the dead consumer stays"
            time.sleep(0.1)
        channel.queue_delete(name)
    neighbour.finish()


def test_huge_announced_body(broker, name):
    """A body beyond the limit (128 MiB) is refused, at the latest when that much has come."""
    broker.own_process()
    neighbour = Neighbour(broker, name)
    neighbour.start()
    part = frame.Body(1, b"x" * 131_064).marshal()
    with Raw(broker) as raw:
        raw.channel()
        raw.method(1, spec.Basic.Publish(exchange="", routing_key=name))
        raw.send(frame.Header(1, 1 << 62, spec.BasicProperties()).marshal())
        try:
            for _ in range(1200):
                raw.send(part)
            method = raw.read_method()
            assert isinstance(method, spec.Channel.Close)
            assert method.reply_code in (311, 406, 501)
        except Closed as closed:
            assert closed.method is None or closed.method.reply_code in (501, 502)
        except ConnectionError:
            pass  # hung up while we sent
    assert broker.memory() < 500 << 20
    neighbour.finish()


def test_announced_bodies_that_never_come(broker, name):
    """Announcing costs the broker nothing: memory is taken as the bytes come."""
    neighbour = Neighbour(broker, name)
    neighbour.start()
    raws = [Raw(broker) for _ in range(20)]
    before = 0 if broker.external else broker.memory()
    for raw in raws:
        for channel in range(1, 21):
            raw.channel(channel)
            raw.method(channel, spec.Basic.Publish(exchange="", routing_key=name))
            raw.send(frame.Header(channel, 100 << 20, spec.BasicProperties()).marshal())
    for raw in raws:
        raw.channel(21)
    if not broker.external:
        assert broker.memory() - before < 100 << 20
    for raw in raws:
        raw.reset()
    neighbour.finish()


def test_channel_flood(shared_broker, neighbour):
    """All channels that were agreed on can be had; one more ends the connection, which is all that ends."""
    with Raw(shared_broker) as raw:
        numbers = range(1, raw.channel_max + 1)
        raw.send(b"".join(method_frame(number, spec.Channel.Open()) for number in numbers))
        for _ in numbers:
            raw.expect(spec.Channel.OpenOk)
        raw.method(raw.channel_max + 1, spec.Channel.Open())
        assert raw.wait_closed() in (504, 530)


def test_channels_opened_and_closed(shared_broker, neighbour):
    """20,000 channels, 200 at a time."""
    close = spec.Channel.Close(200, "bye", 0, 0)
    numbers = range(1, 201)
    with Raw(shared_broker) as raw:
        for _ in range(100):
            for request, answer in ((spec.Channel.Open(), spec.Channel.OpenOk), (close, spec.Channel.CloseOk)):
                raw.send(b"".join(method_frame(number, request) for number in numbers))
                for _ in numbers:
                    raw.expect(answer)


def test_missed_heartbeats(shared_broker, neighbour):
    """Agreed on one a second and then silent: let go, after more than one and less than a few."""
    with Raw(shared_broker, heartbeat=1) as raw:
        begin = time.monotonic()
        raw.wait_closed(20)
        assert 1.5 < time.monotonic() - begin < 8


def test_heartbeats_keep_a_silent_connection(shared_broker, neighbour):
    """The same with heartbeats: it stays, and the broker sends its own."""
    with Raw(shared_broker, heartbeat=1) as raw:
        beats, end = 0, time.monotonic() + 5
        while time.monotonic() < end:
            raw.send(plain_frame(8, 0, b""))
            beats += raw.read()[0] == 8
        assert beats >= 5
        raw.channel()


def test_wrong_password_storm(shared_broker, neighbour):
    """Guessing costs the guesser."""
    wrong = pika.PlainCredentials("guest", os.urandom(8).hex())
    for _ in range(30):
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", shared_broker.port, credentials=wrong))
