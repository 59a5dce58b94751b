"""The handshake, frames, channels: what a broken or confused client gets."""

import struct
import time

from case import case, one
from client import Unexpected
from wire import BODY, HEADER, HEARTBEAT, METHOD, PROTOCOL_HEADER, Typed, pack_frame, pack_header, pack_method, pack_table

SECRET = {"password": "secret"}


# Protocol headers
def header(name, data):
    @case(f"protocol-header-{name}")
    def play(trial):
        connection = trial.socket()
        connection.raw(data)
        events = [connection.next()]
        return [*events, connection.next()] if "protocol_header" in events[0] else events


header("0-8", b"AMQP\1\1\x08\0")
header("0-8-other", b"AMQP\1\1\0\x08")
header("0-9", b"AMQP\0\0\x09\0")
header("0-10", b"AMQP\1\1\0\x0a")
header("1-0", b"AMQP\0\1\0\0")
header("1-0-sasl", b"AMQP\3\1\0\0")
header("http", b"GET / HTTP/1.0\r\n\r\n")
header("nonsense", b"\0\0\0\0\0\0\0\0")
header("1-1", b"AMQP\0\1\1\0")
header("tls", b"\x16\x03\x01\x02\0\1\0\1\xfc\x03\x03")


@case("protocol-header-accepted")
def start(trial):
    return [trial.socket().started()]


@case("protocol-header-0-9-1-revision")
def start_91(trial):
    connection = trial.socket()
    connection.raw(b"AMQP\0\0\x09\x01")
    return [{key: value for key, value in connection.next().items() if key != "server_properties"}]


# Logging in
def login(name, **options):
    @case(f"login-{name}")
    def play(trial):
        connection = trial.socket()
        connection.start_ok(**options)
        events = [connection.next(6.0)]
        if events[0].get("method") == "connection.close":
            connection.send("connection.close-ok", 0)
        return events if "eof" in events[0] or events[0].get("method") == "connection.tune" else [
            *events, connection.next(6.0)]


def amqplain(user, password):
    return pack_table({"LOGIN": user, "PASSWORD": password})[4:]


WITHOUT = {"authentication_failure_close": False}
login("plain")
login("plain-wrong-password", password="wrong")
login("plain-unknown-user", user="nobody")
login("plain-wrong-password-no-capability", password="wrong", capabilities=WITHOUT)
login("plain-with-authzid", response="guest\0guest\0guest")
login("plain-empty", response="")
login("plain-no-separator", response="guest")
login("plain-one-separator", response="\0guest")
login("plain-empty-password", response="\0guest\0")
login("plain-three-separators", response="\0guest\0guest\0guest")
login("amqplain", mechanism="AMQPLAIN", response=amqplain("guest", "guest"))
login("amqplain-wrong-password", mechanism="AMQPLAIN", response=amqplain("guest", "wrong"))
login("amqplain-order", mechanism="AMQPLAIN",
      response=pack_table({"PASSWORD": "guest", "EXTRA": 1, "LOGIN": "guest"})[4:])
login("amqplain-no-password", mechanism="AMQPLAIN", response=pack_table({"LOGIN": "guest"})[4:])
login("amqplain-wrong-type", mechanism="AMQPLAIN", response=pack_table({"LOGIN": 1, "PASSWORD": 2})[4:])
login("amqplain-garbage", mechanism="AMQPLAIN", response="garbage")
login("amqplain-with-length", mechanism="AMQPLAIN", response=pack_table({"LOGIN": "guest", "PASSWORD": "guest"}))
login("unknown-mechanism", mechanism="NONSENSE")
login("lower-case-mechanism", mechanism="plain")
login("external", mechanism="EXTERNAL", response="guest")
login("empty-mechanism", mechanism="")
login("odd-locale", locale="de_DE")
login("empty-locale", locale="")
login("cr-demo", mechanism="RABBIT-CR-DEMO", response="guest")
login("no-client-properties", capabilities={})
login("capabilities-not-a-table", capabilities="yes")
login("user-without-permissions", user="conf-none", **SECRET)
login("user-name-not-utf8", response=b"\0\xff\xfe\0x")
login("connection-name-number", properties={"connection_name": 5})


# Tuning
def tune(name, **values):
    @case(f"tune-{name}")
    def play(trial):
        connection = trial.socket()
        connection.tuned(**values)
        connection.send("connection.open", 0, vhost="/")
        return closing(connection)


def closing(connection, patience=5.0):
    """Events up to the connection's end, or up to the first that is no end."""
    first = connection.next(patience)
    if first.get("method") == "connection.close":
        connection.send("connection.close-ok", 0)
    return [first] if first.get("method") != "connection.close" else [first, connection.next(patience)]


tune("as-offered")
tune("frame-max-0", frame_max=0)
tune("frame-max-1", frame_max=1)
tune("frame-max-4095", frame_max=4095)
tune("frame-max-4096", frame_max=4096)
tune("frame-max-131073", frame_max=131073)
tune("frame-max-huge", frame_max=2**32 - 1)
tune("channel-max-0", channel_max=0)
tune("channel-max-1", channel_max=1)
tune("channel-max-2048", channel_max=2048)
tune("channel-max-65535", channel_max=65535)
tune("heartbeat-0", heartbeat=0)
tune("heartbeat-huge", heartbeat=65535)
tune("frame-and-channel-max-bad", frame_max=131073, channel_max=2048)


@case("tune-channel-max-used")
def channel_max(trial):
    connection = trial.connect(channel_max=3, channels=(1, 2, 3))
    connection.send("channel.open", 4)
    return connection.outcome(fence=False)


@case("tune-small-frames")
def small_frames(trial):
    connection = trial.connect(frame_max=4096)
    trial.do(connection, [("queue.declare", {"queue": "{q}"})])
    body = bytes(10000)
    connection.frame(METHOD, 1, pack_method("basic.publish", routing_key=trial.name("q")))
    connection.frame(HEADER, 1, pack_header(len(body)))
    for at in range(0, len(body), 4088):
        connection.frame(BODY, 1, body[at:at + 4088])
    connection.frame(METHOD, 1, pack_method("basic.get", queue=trial.name("q"), no_ack=True))
    sizes, sizes_due = [], 10000
    while sizes_due:
        kind, _, payload = connection.take_frame(time.monotonic() + 5)
        if kind == BODY:
            sizes.append(len(payload))
            sizes_due -= len(payload)
    return [{"body_frames": sizes}]


# Opening
def opening(name, vhost, **options):
    @case(f"open-{name}")
    def play(trial):
        connection = trial.socket()
        connection.tuned(**options)
        connection.send("connection.open", 0, vhost=vhost)
        return closing(connection)


opening("default", "/")
opening("other-vhost", "conf-vhost")
opening("missing-vhost", "nonsense")
opening("empty-vhost", "")
opening("no-permission", "conf-vhost", user="conf-limited", **SECRET)
opening("no-permission-anywhere", "/", user="conf-none", **SECRET)
opening("missing-vhost-no-permission", "nonsense", user="conf-none", **SECRET)
opening("empty-permissions", "/", user="conf-empty", **SECRET)
opening("slashless", "conf-vhost/")


# Out of order
def early(name, *frames, tuned=False, patience=6.0):
    """Frames said right after the protocol header (or after tune-ok)."""
    @case(f"early-{name}")
    def play(trial):
        connection = trial.socket()
        if tuned:
            connection.tuned()
        else:
            connection.started()
        for kind, channel, payload in frames:
            connection.frame(kind, channel, payload)
        return closing(connection, patience)


early("open-before-start-ok", (METHOD, 0, pack_method("connection.open", vhost="/")))
early("tune-ok-before-start-ok", (METHOD, 0, pack_method("connection.tune-ok", channel_max=1)))
early("channel-before-start-ok", (METHOD, 1, pack_method("channel.open")))
early("close-before-start-ok", (METHOD, 0, pack_method("connection.close", reply_code=200)))
early("header-frame-before-start-ok", (HEADER, 1, pack_header(0)))
early("heartbeat-before-start-ok", (HEARTBEAT, 0, b""), (METHOD, 0, pack_method("connection.close", reply_code=200)))
early("start-ok-twice", (METHOD, 0, pack_method("connection.start-ok", mechanism="PLAIN")), tuned=True)
early("channel-before-open", (METHOD, 1, pack_method("channel.open")), tuned=True)
early("close-before-open", (METHOD, 0, pack_method("connection.close", reply_code=200)), tuned=True)
early("truncated-start-ok", (METHOD, 0, pack_method("connection.start-ok", mechanism="PLAIN")[:-3]))
early("client-properties-garbage", (METHOD, 0, struct.pack(">HHI", 10, 11, 3) + b"\x20ab" + b"\5PLAIN\0\0\0\0\0"))
early("long-frame", (METHOD, 0, bytes(5000)))


# Once open: frames
def spoken(name, *frames, channel=1, fence=False, patience=5.0, channels=(1,), before=(), options=None):
    """Raw frames `(kind, channel, payload)`, or bytes, on an open connection."""
    @case(name)
    def play(trial):
        connection = trial.connect(channels=channels, **(options or {}))
        trial.do(connection, before)
        for frame in frames:
            connection.raw(frame if isinstance(frame, bytes) else pack_frame(*frame))
        return connection.outcome(channel=channel, fence=fence, patience=patience)


QOS = pack_method("basic.qos")
PUBLISH = pack_method("basic.publish", routing_key="nobody")
spoken("frame-bad-end", pack_frame(METHOD, 1, QOS, end=0))
spoken("frame-bad-end-body", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), pack_frame(BODY, 1, b"abc", end=65))
spoken("frame-type-0", (0, 1, b""))
spoken("frame-type-4", (4, 1, b"abc"))
spoken("frame-type-4-channel-0", (4, 0, b"abc"))
spoken("frame-type-255", (255, 0, b""))
spoken("frame-too-large", pack_frame(BODY, 1, bytes(131073)))
spoken("frame-too-large-header-only", struct.pack(">BHI", BODY, 1, 131073))
spoken("frame-much-too-large", struct.pack(">BHI", METHOD, 1, 2**32 - 1))
spoken("frame-largest", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(131064)), (BODY, 1, bytes(131064)), fence=True)
spoken("frame-too-large-within-tolerance", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(131072)),
       (BODY, 1, bytes(131072)), fence=True)
spoken("frame-too-large-small-frame-max", pack_frame(METHOD, 1, bytes(4097)), options={"frame_max": 4096})
spoken("frame-garbage", b"GET / HTTP/1.0\r\n\r\n")
spoken("frame-empty-method", (METHOD, 1, b""))
spoken("frame-empty-method-channel-0", (METHOD, 0, b""))
spoken("frame-short-method", (METHOD, 1, b"\0\x14\0"))
spoken("heartbeat-on-channel", (HEARTBEAT, 1, b""), fence=True)
spoken("heartbeat-with-payload", (HEARTBEAT, 0, b"abc"), fence=True)
spoken("header-on-channel-0", (HEADER, 0, pack_header(0)))
spoken("body-on-channel-0", (BODY, 0, b"abc"))
spoken("header-without-method", (HEADER, 1, pack_header(0)))
spoken("body-without-method", (BODY, 1, b"abc"))
spoken("body-without-header", (METHOD, 1, PUBLISH), (BODY, 1, b"abc"))
spoken("body-too-long", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), (BODY, 1, b"abcd"), patience=1.0)
spoken("body-after-the-end", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), (BODY, 1, b"abc"), (BODY, 1, b"d"))
spoken("body-empty-frame", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), (BODY, 1, b""), (BODY, 1, b"abc"),
       fence=True)
spoken("method-instead-of-header", (METHOD, 1, PUBLISH), (METHOD, 1, QOS))
spoken("method-instead-of-body", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), (METHOD, 1, QOS))
spoken("header-instead-of-body", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(3)), (HEADER, 1, pack_header(3)))
spoken("header-wrong-class", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, class_id=50)))
spoken("header-unknown-class", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, class_id=99)))
spoken("header-weight", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, weight=1)), fence=True)
spoken("header-truncated", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, content_type="text")[:-2]))
spoken("header-short", (METHOD, 1, PUBLISH), (HEADER, 1, b"\0\x3c\0"))
spoken("header-trailing-octets", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, content_type="text") + b"xyz"),
       fence=True, patience=2.0)
spoken("header-second-flags", (METHOD, 1, PUBLISH), (HEADER, 1, struct.pack(">HHQHH", 60, 0, 0, 1, 0)), fence=True)
spoken("header-bad-headers-table", (METHOD, 1, PUBLISH),
       (HEADER, 1, struct.pack(">HHQH", 60, 0, 0, 1 << 13) + b"\0\0\0\x03\x01aZ"), fence=True, patience=2.0)
spoken("header-property-not-utf8", (METHOD, 1, PUBLISH), (HEADER, 1, pack_header(0, content_type=b"\xff\xfe")),
       fence=True, patience=2.0)
spoken("close-while-content-expected", (METHOD, 1, PUBLISH), (METHOD, 1, pack_method("channel.close", reply_code=200)))

# Methods
for number, name in ((10, "connection"), (20, "channel"), (50, "queue"), (60, "basic"), (99, "unknown")):
    spoken(f"method-unknown-in-{name}", (METHOD, 1, struct.pack(">HH", number, 99)))
spoken("method-unknown-on-channel-0", (METHOD, 0, struct.pack(">HH", 99, 99)))
spoken("method-unknown-in-connection-channel-0", (METHOD, 0, struct.pack(">HH", 10, 99)))
spoken("method-truncated", (METHOD, 1, pack_method("queue.declare", queue="abc")[:-6]))
spoken("method-trailing-octets", (METHOD, 1, pack_method("basic.qos") + b"xyz"))
spoken("method-string-beyond-end", (METHOD, 1, struct.pack(">HHH", 50, 10, 0) + b"\xffabc"))
spoken("method-table-beyond-end", (METHOD, 1, pack_method("queue.declare", queue="abc", arguments=Typed(
    "raw", b"\0\0\xff\xff"))))
spoken("method-table-unfinished-value", (METHOD, 1, pack_method("queue.declare", queue="abc", arguments=Typed(
    "raw", b"\0\0\0\x04\x01aI\0"))))
spoken("method-table-name-beyond-end", (METHOD, 1, pack_method("queue.declare", queue="abc", arguments=Typed(
    "raw", b"\0\0\0\x02\x09a"))))
for name in ("queue.declare-ok", "basic.deliver", "basic.qos-ok", "channel.open-ok", "channel.flow-ok",
             "channel.close-ok", "basic.cancel-ok", "basic.get-empty", "confirm.select-ok", "basic.return"):
    spoken(f"method-of-server-{name}", (METHOD, 1, pack_method(name)), fence=True)
for name in ("connection.start", "connection.tune", "connection.open-ok", "connection.close-ok",
             "connection.blocked", "connection.secure-ok", "connection.tune-ok", "connection.open",
             "connection.start-ok"):
    spoken(f"method-open-{name}", (METHOD, 0, pack_method(name)), patience=2.0)
spoken("method-basic-on-channel-0", (METHOD, 0, QOS))
spoken("method-channel-open-on-channel-0", (METHOD, 0, pack_method("channel.open")))
for name in ("connection.close", "connection.open", "connection.tune-ok", "connection.close-ok",
             "connection.start-ok", "connection.update-secret"):
    spoken(f"method-{name}-on-channel-1", (METHOD, 1, pack_method(name)), patience=2.0)
    spoken(f"method-{name}-on-closed-channel", (METHOD, 7, pack_method(name)), patience=2.0)

# Channels
spoken("channel-open-twice", (METHOD, 1, pack_method("channel.open")))
spoken("channel-open-beyond-max", (METHOD, 2048, pack_method("channel.open")), patience=1.0)
spoken("channel-open-65535", (METHOD, 65535, pack_method("channel.open")), patience=1.0)
spoken("channel-open-2047", (METHOD, 2047, pack_method("channel.open")), channel=2047, fence=True)
spoken("channel-open-reserved-argument", (METHOD, 9, pack_method("channel.open", reserved1="x")), channel=9,
       fence=True)
spoken("channel-not-open-method", (METHOD, 5, QOS))
spoken("channel-not-open-close", (METHOD, 5, pack_method("channel.close", reply_code=200)))
spoken("channel-not-open-close-ok", (METHOD, 5, pack_method("channel.close-ok")), patience=1.0)
spoken("channel-not-open-header", (HEADER, 5, pack_header(0)))
spoken("channel-not-open-body", (BODY, 5, b"abc"))
one("channel-close", "channel.close", reply_code=200, reply_text="bye", fence=False, until="channel.close-ok")
one("connection-close", "connection.close", channel=0, reply_code=200, reply_text="bye", fence=False,
    until="connection.close-ok")


@case("channel-closed-then-method")
def closed_then_method(trial):
    connection = trial.connect()
    connection.call("channel.close", reply_code=200)
    connection.send("basic.qos")
    return connection.outcome(fence=False)


@case("channel-reopened")
def reopened(trial):
    connection = trial.connect()
    connection.send("channel.close", reply_code=200)
    connection.expect("channel.close-ok")
    connection.send("channel.open")
    return connection.outcome()


@case("channel-used-after-server-close")
def after_close(trial):
    """What is said before our close-ok is ignored; afterwards the number is free again."""
    connection = trial.connect()
    connection.send("exchange.declare", exchange="nonsense.missing", passive=True)
    closed = connection.expect("channel.close")
    connection.send("basic.qos")
    connection.publish(routing_key="nobody", body=b"m")
    connection.send("channel.close-ok")
    connection.send("channel.open")
    return [closed, *connection.outcome()]


@case("channel-both-sides-close")
def crossing(trial):
    connection = trial.connect()
    connection.send("exchange.declare", exchange="nonsense.missing", passive=True)
    connection.expect("channel.close")
    connection.send("channel.close", reply_code=200)
    events = [connection.next()]
    connection.send("channel.close-ok")
    connection.send("channel.open")
    return [*events, *connection.outcome()]


@case("channel-error-leaves-others")
def others_live(trial):
    connection = trial.connect(channels=(1, 2))
    connection.send("exchange.declare", exchange="nonsense.missing", passive=True)
    return [*connection.outcome(fence=False), *connection.outcome(channel=2)]


# The connection's end
@case("connection-close-waits-for-close-ok")
def waits(trial):
    """After the server's connection.close other frames are ignored, ours is answered."""
    connection = trial.connect()
    connection.send("basic.qos", prefetch_size=9)
    events = [connection.expect("connection.close")]
    connection.send("channel.open", 3)
    connection.send("connection.close", 0, reply_code=200)
    events.append(connection.next(2.0))
    connection.send("connection.close-ok", 0)
    return [*events, connection.next(2.0)]


@case("connection-close-answered-then-eof")
def answered_eof(trial):
    connection = trial.connect()
    connection.send("basic.qos", prefetch_size=9)
    connection.expect("connection.close")
    connection.send("connection.close-ok", 0)
    return [connection.next()]


# Heartbeats
@case("heartbeat-sent", alone=True)
def heartbeat(trial):
    connection = trial.connect(heartbeat=1)
    first = connection.next(1.5)
    return [first]


@case("heartbeat-missed", alone=True)
def heartbeat_missed(trial):
    """A client that says nothing for two intervals is cut off without a word."""
    connection = trial.connect(heartbeat=1)
    return connection.outcome(fence=False, patience=6.0)


@case("heartbeat-kept", alone=True)
def heartbeat_kept(trial):
    connection = trial.connect(heartbeat=1)
    for _ in range(6):
        connection.frame(HEARTBEAT, 0, b"")
        # Half a second, however often the other side beats meanwhile.
        until = time.monotonic() + 0.5
        while (left := until - time.monotonic()) > 0:
            event = connection.next(left)
            if "silence" not in event and "heartbeat" not in event:
                raise Unexpected(str(event))
    return [event for event in connection.outcome() if "heartbeat" not in event and "tolerated" not in event] or [
        {"alive": True}]


@case("connection-update-secret")
def update_secret(trial):
    connection = trial.connect()
    connection.send("connection.update-secret", 0, new_secret="guest", reason="test")
    return connection.outcome(fence=False, patience=2.0, until="connection.update-secret-ok")


@case("protocol-header-twice")
def twice(trial):
    connection = trial.connect()
    connection.raw(PROTOCOL_HEADER)
    return connection.outcome(fence=False)
