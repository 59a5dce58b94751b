"""An AMQP connection made by hand: for bytes that no client library would send,
and for sending and counting more than a client library can.

Frames are put together with pika's codec; sockets are plain and blocking.
"""
import contextlib
import os
import re
import socket
import struct
import threading
import time

from pika import frame, spec

HEADER = b"AMQP\x00\x00\x09\x01"
CLIENT_PROPERTIES = {"product": "aileron's system tests", "capabilities": {
    "authentication_failure_close": True, "basic.nack": True, "consumer_cancel_notify": True,
    "connection.blocked": True, "publisher_confirms": True}}


def method_frame(channel, method):
    """The bytes of a method frame."""
    return frame.Method(channel, method).marshal()


def plain_frame(kind, channel, payload, end=206):
    """The bytes of any frame, right or wrong."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def publish_frames(channel, exchange, key, body, frame_max=131072, **properties):
    """The bytes of one message."""
    parts = [method_frame(channel, spec.Basic.Publish(exchange=exchange, routing_key=key)),
             frame.Header(channel, len(body), spec.BasicProperties(**properties)).marshal()]
    step = frame_max - 8
    parts += [frame.Body(channel, body[at:at + step]).marshal() for at in range(0, len(body), step)]
    return b"".join(parts)


class Closed(Exception):
    """The broker closed the connection; `method` is its connection.close, None where it just hung up."""

    def __init__(self, method=None):
        super().__init__(f"{method.reply_code} {method.reply_text}" if method else "hung up")
        self.method = method


class Raw:
    """A connection of one's own."""

    def __init__(self, broker, open_now=True, heartbeat=0, vhost="/", seconds=15):
        self.socket = broker.socket(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        if open_now:
            self.open(heartbeat, vhost)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def open(self, heartbeat=0, vhost="/"):
        """The whole handshake, as guest."""
        self.send(HEADER)
        self.expect(spec.Connection.Start)
        self.method(0, spec.Connection.StartOk(CLIENT_PROPERTIES, "PLAIN", "\0guest\0guest", "en_US"))
        tune = self.expect(spec.Connection.Tune)
        self.channel_max, self.frame_max = tune.channel_max, tune.frame_max
        self.method(0, spec.Connection.TuneOk(tune.channel_max, tune.frame_max, heartbeat))
        self.method(0, spec.Connection.Open(vhost))
        self.expect(spec.Connection.OpenOk)

    def send(self, data):
        """Bytes as they are."""
        self.socket.sendall(data)

    def method(self, channel, method):
        """One method."""
        self.send(method_frame(channel, method))

    def call(self, channel, method, answer):
        """One method and its answer."""
        self.method(channel, method)
        return self.expect(answer)

    def channel(self, number=1):
        """Opens a channel; its number."""
        self.call(number, spec.Channel.Open(), spec.Channel.OpenOk)
        return number

    def read(self):
        """The next frame: (kind, channel, payload). Closed at the end."""
        while True:
            if len(self.buffer) >= 7:
                kind, channel, size = struct.unpack_from(">BHI", self.buffer)
                if len(self.buffer) >= size + 8:
                    payload = bytes(self.buffer[7:7 + size])
                    assert self.buffer[7 + size] == 206, "frame end missing"
                    del self.buffer[:size + 8]
                    return kind, channel, payload
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed()
            self.buffer += data

    def read_method(self):
        """The next method, other frames passed over. A connection.close is raised as Closed."""
        while True:
            kind, _, payload = self.read()
            if kind != 1:
                continue
            method = spec.methods[struct.unpack_from(">I", payload)[0]]()
            method.decode(payload, 4)
            if isinstance(method, spec.Connection.Close):
                raise Closed(method)
            return method

    def expect(self, wanted):
        """Reads on to a method of this kind."""
        while True:
            method = self.read_method()
            if isinstance(method, wanted):
                return method
            assert not isinstance(method, spec.Channel.Close), f"{method.reply_code} {method.reply_text}"

    def wait_closed(self, seconds=15):
        """Reads on until the broker ends the connection: its reply code, 0 where it hung up without one."""
        self.socket.settimeout(seconds)
        try:
            while True:
                self.read_method()
        except Closed as closed:
            return closed.method.reply_code if closed.method else 0

    def reset(self):
        """Drops the connection as a crashed host does: RST, no goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def fill(broker, queue, count, size, mark=b""):
    """Publishes `count` persistent messages of `size` bytes and waits for all confirms. The queue exists."""
    with Raw(broker, seconds=120) as raw:
        fill_over(raw, queue, count, size, mark)


def fill_over(raw, queue, count, size, mark=b""):
    """The same over a connection of which nothing else was made yet."""
    body = (mark + b"x" * size)[:size]
    message = publish_frames(1, "", queue, body, delivery_mode=2)
    raw.channel()
    raw.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
    chunk = max(1, min(count, (4 << 20) // len(message)))
    whole = message * chunk

    def send():
        left = count
        with contextlib.suppress(OSError):  # the confirms that are missing then tell
            while left > 0:
                now = min(left, chunk)
                raw.send(whole if now == chunk else message * now)
                left -= now

    sender = threading.Thread(target=send)
    sender.start()
    highest, single = 0, 0
    while highest < count and single < count:
        method = raw.read_method()
        assert isinstance(method, spec.Basic.Ack), method
        highest = method.delivery_tag if method.multiple else highest
        single = max(single, highest) + (0 if method.multiple else 1)
    sender.join()


def drain(broker, queue, count, seconds):
    """Consumes `count` messages without acknowledgement, bodies thrown away; seconds it took."""
    deliver = struct.pack(">I", spec.Basic.Deliver.INDEX)
    start = time.monotonic()
    with Raw(broker, seconds=seconds) as raw:
        raw.channel()
        raw.method(1, spec.Basic.Consume(queue=queue, no_ack=True))
        got = 0
        while got < count:
            kind, _, payload = raw.read()
            got += kind == 1 and payload.startswith(deliver)
            assert time.monotonic() - start < seconds, f"{got} of {count} after {seconds} s"
        # The last body has to be in before the goodbye.
        raw.call(1, spec.Basic.Qos(), spec.Basic.QosOk)
    return time.monotonic() - start


def open_files(process):
    """How many file descriptors a process holds."""
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def logged(broker, pattern, seconds=10):
    """Waits for a line in the broker's log; the match."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := re.search(pattern, broker.log_text(), re.M):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {pattern!r} in the log:\n{broker.log_text()[-3000:]}")


def until(what, seconds=60):
    """Waits for something; as long as a busy machine may need."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
