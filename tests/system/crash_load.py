"""A load that knows what it was promised: publishers with confirms and consumers with
acknowledgements, over a broker that is killed again and again.

What a stream is promised, and what is checked:
- a confirmed message is delivered, at least once, with the right content;
- in every consumer's session the numbers only rise: order is kept, nothing comes twice;
- an acknowledgement is firm once a message published after it, in the same virtual
  host and in the same life of the broker, has been confirmed: it stands before that
  message in the log. What was firmly acknowledged never comes back.
"""
import random
import struct
import threading
import time
from dataclasses import dataclass, field

from pika import spec
from raw import Closed, Raw, method_frame, publish_frames

# Messages sent and not yet confirmed; messages confirmed and not yet consumed.
WINDOW, BACKLOG = 100, 2000
BATCH, PREFETCH = 20, 64


def body_of(number):
    """Content that can be checked: the number, then filling of a length that depends on it."""
    return struct.pack(">Q", number) + bytes([number % 251]) * (50 + number * 37 % 1950)


@dataclass
class Queue:
    """What a queue's consumer saw and said."""

    name: str
    delivered: set = field(default_factory=set)
    firm: set = field(default_factory=set)
    # (life of the broker, number from which on a confirm makes them firm, acknowledged numbers)
    barriers: list = field(default_factory=list)


@dataclass
class Stream:
    """One publisher's messages, to one queue or to several at once."""

    exchange: str
    key: str
    queues: list
    vhost: str = "/"
    sent: int = 0
    confirmed: set = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def backlog(self):
        """How far the slowest consumer is behind."""
        return self.sent - min(len(queue.delivered) for queue in self.queues)


class CrashLoad:
    """All streams and their threads."""

    def __init__(self, broker, streams, noise=None):
        """`noise`: a stream with an exchange, whose messages other queues get too that come and go."""
        self.broker, self.streams, self.problems, self.life = broker, streams, [], 0
        self.publishing, self.consuming = threading.Event(), threading.Event()
        self.publishing.set()
        self.consuming.set()
        self.publishers = [self.thread(self.publish, self.publishing, stream) for stream in streams]
        self.consumers = [self.thread(self.consume, self.consuming, stream, queue)
                          for stream in streams for queue in stream.queues]
        if noise:
            self.publishers.append(self.thread(self.disturb, self.publishing, noise))

    def thread(self, *arguments):
        """A thread that goes on over broken connections."""
        return threading.Thread(target=self.reconnecting, args=arguments, daemon=True)

    def start(self):
        """Starts every publisher and consumer."""
        for thread in self.publishers + self.consumers:
            thread.start()

    def kill(self):
        """kill -9 and a new start; seconds the start took."""
        self.broker.kill()
        self.life += 1
        return self.broker.start()

    def problem(self, text):
        """Notes what must not have been; the first few are enough."""
        if len(self.problems) < 20:
            self.problems.append(text)

    def reconnecting(self, work, wanted, *arguments):
        """Does the work on connection after connection, as clients do when the broker dies."""
        while wanted.is_set():
            life = self.life
            try:
                with Raw(self.broker, vhost=arguments[0].vhost, seconds=5) as raw:
                    raw.channel()
                    # Connected across a kill: which life this is cannot be told.
                    if life == self.life:
                        work(raw, life, *arguments)
            except (Closed, OSError):
                time.sleep(0.02)
            except Exception as error:
                self.problem(f"{work.__name__}: {error!r}")
                time.sleep(0.2)

    # Beside the load

    def disturb(self, raw, _, stream):
        """Queues on the stream's exchange that are filled, purged, deleted, and written to in transactions."""
        chance = random.Random()
        raw.call(1, spec.Tx.Select(), spec.Tx.SelectOk)
        while self.publishing.is_set():
            queue = f"noise-{chance.randrange(3)}"
            raw.call(1, spec.Queue.Declare(queue=queue, durable=True), spec.Queue.DeclareOk)
            raw.call(1, spec.Queue.Bind(queue=queue, exchange=stream.exchange, routing_key=""), spec.Queue.BindOk)
            for number in range(chance.randrange(5)):
                raw.send(publish_frames(1, "", queue, body_of(number), delivery_mode=2) * chance.randrange(400))
                raw.call(1, spec.Tx.Commit(), spec.Tx.CommitOk)
                time.sleep(0.02)
            if chance.random() < 0.5:
                raw.call(1, spec.Queue.Purge(queue=queue), spec.Queue.PurgeOk)
            else:
                raw.call(1, spec.Queue.Delete(queue=queue), spec.Queue.DeleteOk)

    # Publishing

    def publish(self, raw, life, stream):
        """Publishes in batches, up to a window ahead of the confirms."""
        raw.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        base, sent, confirmed = stream.sent, 0, 0
        single = set()
        while self.publishing.is_set() or confirmed < sent:
            if self.publishing.is_set() and sent - confirmed < WINDOW and stream.backlog() < BACKLOG:
                with stream.lock:
                    first = stream.sent
                    stream.sent += BATCH
                raw.send(b"".join(publish_frames(1, stream.exchange, stream.key, body_of(number), delivery_mode=2)
                                  for number in range(first, first + BATCH)))
                sent += BATCH
            elif confirmed == sent:
                time.sleep(0.01)
            else:
                method = raw.read_method()
                if not isinstance(method, spec.Basic.Ack):
                    self.problem(f"{method} instead of a confirm")
                    continue
                if not method.multiple:
                    single.add(method.delivery_tag)
                upto = method.delivery_tag if method.multiple else confirmed
                while upto + 1 in single:
                    upto += 1
                self.confirm(stream, life, range(base + confirmed, base + upto), base + method.delivery_tag - 1)
                confirmed = max(confirmed, upto)

    @staticmethod
    def confirm(stream, life, numbers, highest):
        """Notes confirms, and which acknowledgements they make firm."""
        with stream.lock:
            stream.confirmed.update(numbers)
            stream.confirmed.add(highest)
            for queue in stream.queues:
                # Acknowledgements of an earlier life may have died with it.
                barriers = [barrier for barrier in queue.barriers if barrier[0] >= life]
                while barriers and barriers[0][0] == life and barriers[0][1] <= highest:
                    queue.firm.update(barriers.pop(0)[2])
                queue.barriers = barriers

    # Consuming

    def consume(self, raw, life, stream, queue):
        """Checks each message; acknowledges in batches, the newest few later."""
        raw.call(1, spec.Basic.Qos(prefetch_count=PREFETCH), spec.Basic.QosOk)
        raw.method(1, spec.Basic.Consume(queue=queue.name))
        last, unacked, acked, asked = -1, [], [], None
        raw.socket.settimeout(0.5)
        while self.consuming.is_set():
            try:
                item = self.next_item(raw)
            except TimeoutError:
                continue
            if item == "synchronised":
                with stream.lock:
                    queue.barriers.append((life, stream.sent, asked))
                asked = None
                continue
            tag, number = item
            if number <= last:
                self.problem(f"{queue.name}: {number} came after {last}")
            last = number
            with stream.lock:
                if number in queue.firm:
                    self.problem(f"{queue.name}: {number} came back, its acknowledgement was firm")
                queue.delivered.add(number)
            unacked.append((tag, number))
            if len(unacked) >= 10:
                raw.method(1, spec.Basic.Ack(unacked[6][0], multiple=True))
                acked += [one for _, one in unacked[:7]]
                del unacked[:7]
            if len(acked) >= 70 and asked is None:
                # Its answer says that the broker has seen the acknowledgements before it.
                raw.method(1, spec.Queue.Declare(queue=queue.name, passive=True))
                asked, acked = acked, []

    @staticmethod
    def next_item(raw):
        """The next whole message as (delivery tag, number), or "synchronised"."""
        while True:
            kind, _, payload = raw.read()
            if kind == 8:
                continue
            index = struct.unpack_from(">I", payload)[0]
            if index == spec.Queue.DeclareOk.INDEX:
                return "synchronised"
            if index != spec.Basic.Deliver.INDEX:
                if index == spec.Connection.Close.INDEX:
                    raise Closed()
                continue
            method = spec.Basic.Deliver()
            method.decode(payload, 4)
            # The rest of a message is on its way: only a dead broker keeps it back.
            raw.socket.settimeout(5)
            _, _, header = raw.read()
            size, body = struct.unpack_from(">Q", header, 4)[0], b""
            while len(body) < size:
                body += raw.read()[2]
            raw.socket.settimeout(0.5)
            number = struct.unpack_from(">Q", body)[0]
            assert body == body_of(number), f"content of {number} is wrong"
            return method.delivery_tag, number

    # The end

    def finish(self, seconds=60):
        """Stops publishing, waits for all confirmed messages, stops consuming."""
        self.publishing.clear()
        end = time.monotonic() + seconds
        while time.monotonic() < end and (self.missing() or any(thread.is_alive() for thread in self.publishers)):
            time.sleep(0.1)
        missing = self.missing()
        self.consuming.clear()
        for thread in self.publishers + self.consumers:
            thread.join(20)
        for name, numbers in missing.items():
            self.problem(f"{name}: {len(numbers)} confirmed messages lost: {sorted(numbers)[:10]}")

    def missing(self):
        """Confirmed and never delivered, by queue."""
        found = {}
        for stream in self.streams:
            with stream.lock:
                for queue in stream.queues:
                    if gone := stream.confirmed - queue.delivered:
                        found[queue.name] = gone
        return found


def declare(broker, streams):
    """Durable queues and exchanges for the streams."""
    for stream in streams:
        with Raw(broker, vhost=stream.vhost) as raw:
            raw.channel()
            if stream.exchange:
                raw.call(1, spec.Exchange.Declare(exchange=stream.exchange, type="fanout", durable=True),
                         spec.Exchange.DeclareOk)
            for queue in stream.queues:
                raw.call(1, spec.Queue.Declare(queue=queue.name, durable=True), spec.Queue.DeclareOk)
                if stream.exchange:
                    raw.call(1, spec.Queue.Bind(queue=queue.name, exchange=stream.exchange, routing_key=""),
                             spec.Queue.BindOk)
            raw.send(method_frame(0, spec.Connection.Close(200, "bye", 0, 0)))
