"""A raw AMQP connection that reports what comes back, as plain events.

An event is a dictionary: `{"channel": 1, "method": "channel.close", ...}` with
the method's arguments, plus `properties` and `body` where content follows;
`{"heartbeat": true}`; `{"eof": true}` when the server closed the socket;
`{"silence": seconds}` when nothing came in the time given. `wire.py` has the
encoding, `case.py` the cases' frame.
"""

import socket
import struct
import time

import wire

PATIENCE = 5.0
CONTENT = ("basic.deliver", "basic.return", "basic.get-ok")
# What a client of today states, so that the server uses its extensions.
CAPABILITIES = {"publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True,
                "consumer_cancel_notify": True, "connection.blocked": True,
                "authentication_failure_close": True}


class Unexpected(Exception):
    """A set-up step was answered by something else than success."""


class Connection:
    """One socket. `opened()` takes it through the handshake."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.partial = {}

    def shut(self):
        self.socket.close()

    # Saying things

    def raw(self, data):
        """Bytes as they are. A socket the server closed already is no error: the answer tells."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def frame(self, kind, channel, payload, end=wire.END):
        self.raw(wire.pack_frame(kind, channel, payload, end))

    def send(self, method, channel=1, **args):
        self.frame(wire.METHOD, channel, wire.pack_method(method, **args))

    def publish(self, exchange="", routing_key="", body=b"", channel=1, mandatory=False, immediate=False,
                **properties):
        data = wire.pack_frame(wire.METHOD, channel, wire.pack_method(
            "basic.publish", exchange=exchange, routing_key=routing_key, mandatory=mandatory, immediate=immediate))
        data += wire.pack_frame(wire.HEADER, channel, wire.pack_header(len(body), **properties))
        if body:
            data += wire.pack_frame(wire.BODY, channel, body)
        self.raw(data)

    def call(self, method, channel=1, **args):
        """A set-up step: the method, and its answer, which must not be a close."""
        self.send(method, channel, **args)
        event = self.next()
        if event.get("method") not in (f"{method}-ok", "basic.get-empty"):
            raise Unexpected(f"{method} {args}: {event}")
        return event

    # Hearing things

    def next(self, patience=PATIENCE):
        """The next event, whole with its content."""
        due = time.monotonic() + patience
        while True:
            frame = self.take_frame(due)
            if not isinstance(frame, tuple):
                return frame or {"silence": patience}
            event = self.digest(*frame)
            if event:
                return event

    def take_frame(self, due):
        """`(kind, channel, payload)`, an end-of-file event, or None when time is up."""
        while True:
            if self.buffer[:4] == b"AMQP":
                if len(self.buffer) >= 8:
                    head, self.buffer = self.buffer[:8], self.buffer[8:]
                    return {"protocol_header": list(head)}
            elif len(self.buffer) >= 7:
                kind, channel, size = struct.unpack(">BHI", self.buffer[:7])
                if len(self.buffer) >= size + 8:
                    payload, self.buffer = self.buffer[7:size + 7], self.buffer[size + 8:]
                    return kind, channel, payload
            left = due - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                return {"eof": True}
            if not data:
                return {"eof": True}
            self.buffer += data

    def digest(self, kind, channel, payload):
        """The event a frame completes, or None."""
        if kind == wire.HEARTBEAT:
            return {"heartbeat": True}
        if kind == wire.METHOD:
            name, values = wire.unpack_method(payload)
            event = {"channel": channel, "method": name, **values}
            if name not in CONTENT:
                return event
            self.partial[channel] = event
            return None
        event = self.partial[channel]
        if kind == wire.HEADER:
            class_id, event["left"], event["properties"] = wire.unpack_header(payload)
            event["body"] = ""
            assert class_id == 60
        else:
            event["body"] += payload.decode("utf-8", "backslashreplace")
            event["left"] -= len(payload)
        if event["left"]:
            return None
        del event["left"]
        return self.partial.pop(channel)

    def expect(self, method, patience=PATIENCE):
        """The next event, which must be `method`."""
        event = self.next(patience)
        if event.get("method") != method:
            raise Unexpected(f"waited for {method}: {event}")
        return event

    def outcome(self, channel=1, fence=True, patience=PATIENCE, until=None):
        """Everything that comes in answer to what was said before.

        Ends with a close, the end of the socket, an event of method `until`, or
        the answer to a harmless channel.flow sent here, which proves that the
        channel got over it all. Without `fence` silence ends it too.
        """
        if fence:
            self.send("channel.flow", channel, active=True)
        events = []
        while True:
            event = self.next(patience)
            if event.get("heartbeat") and events and events[-1].get("heartbeat"):
                continue
            if event.get("method") == "channel.flow-ok" and fence:
                return events or [{"tolerated": True}]
            events.append(event)
            name = event.get("method")
            if name == "channel.close":
                self.send("channel.close-ok", event["channel"])
                return events
            if name == "connection.close":
                self.send("connection.close-ok", 0)
                return events
            if until and name == until:
                return events
            if "eof" in event or "silence" in event:
                return events

    # The handshake

    def started(self):
        self.raw(wire.PROTOCOL_HEADER)
        return self.expect("connection.start")

    def start_ok(self, user="guest", password="guest", mechanism="PLAIN", response=None, capabilities=None,
                 properties=None, locale="en_US"):
        self.started()
        stated = CAPABILITIES if capabilities is None else capabilities
        if response is None:
            response = f"\0{user}\0{password}"
        self.send("connection.start-ok", 0, client_properties={"product": "conformance", "capabilities": stated,
                                                              **(properties or {})},
                  mechanism=mechanism, response=response, locale=locale)

    def tuned(self, channel_max=2047, frame_max=131072, heartbeat=0, **login):
        self.start_ok(**login)
        self.expect("connection.tune")
        self.send("connection.tune-ok", 0, channel_max=channel_max, frame_max=frame_max, heartbeat=heartbeat)

    def opened(self, vhost="/", channels=(1,), **options):
        self.tuned(**options)
        self.call("connection.open", 0, vhost=vhost)
        for channel in channels:
            self.call("channel.open", channel)
        return self

    def close(self):
        """A polite end, so that what is exclusive is gone when this returns."""
        if self.socket.fileno() < 0:
            return
        try:
            self.send("connection.close", 0, reply_code=200, reply_text="done")
            while self.next(2.0).get("method") not in ("connection.close-ok", None):
                pass
        finally:
            self.shut()
