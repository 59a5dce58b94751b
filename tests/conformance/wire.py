"""AMQP 0-9-1 on the wire, as little as a conformance test needs.

Frames, methods and field tables, both ways, with no opinion about what is
allowed: a test must be able to say anything, also what no client library
would. `client.py` next door talks over a socket with it.

Field values keep their wire type: decoding gives `[letter, value]` pairs, and
`Typed(letter, value)` encodes exactly that letter.
"""

import struct
from typing import NamedTuple

METHOD, HEADER, BODY, HEARTBEAT, END = 1, 2, 3, 8, 206
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

# name -> (class id, method id, arguments). An argument is `type:name`; types
# are o octet, h short, l long, L longlong, s short string, S long string,
# T table, b bit.
METHODS = {
    "connection.start": (10, 10, "o:version_major o:version_minor T:server_properties S:mechanisms S:locales"),
    "connection.start-ok": (10, 11, "T:client_properties s:mechanism S:response s:locale"),
    "connection.secure": (10, 20, "S:challenge"),
    "connection.secure-ok": (10, 21, "S:response"),
    "connection.tune": (10, 30, "h:channel_max l:frame_max h:heartbeat"),
    "connection.tune-ok": (10, 31, "h:channel_max l:frame_max h:heartbeat"),
    "connection.open": (10, 40, "s:vhost s:reserved1 b:reserved2"),
    "connection.open-ok": (10, 41, "s:reserved1"),
    "connection.close": (10, 50, "h:reply_code s:reply_text h:class_id h:method_id"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "s:reason"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "S:new_secret s:reason"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "s:reserved1"),
    "channel.open-ok": (20, 11, "S:reserved1"),
    "channel.flow": (20, 20, "b:active"),
    "channel.flow-ok": (20, 21, "b:active"),
    "channel.close": (20, 40, "h:reply_code s:reply_text h:class_id h:method_id"),
    "channel.close-ok": (20, 41, ""),
    "access.request": (30, 10, "s:realm b:exclusive b:passive b:active b:write b:read"),
    "access.request-ok": (30, 11, "h:ticket"),
    "exchange.declare": (
        40, 10, "h:ticket s:exchange s:type b:passive b:durable b:auto_delete b:internal b:nowait T:arguments"),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "h:ticket s:exchange b:if_unused b:nowait"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "h:ticket s:destination s:source s:routing_key b:nowait T:arguments"),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (40, 40, "h:ticket s:destination s:source s:routing_key b:nowait T:arguments"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (
        50, 10, "h:ticket s:queue b:passive b:durable b:exclusive b:auto_delete b:nowait T:arguments"),
    "queue.declare-ok": (50, 11, "s:queue l:message_count l:consumer_count"),
    "queue.bind": (50, 20, "h:ticket s:queue s:exchange s:routing_key b:nowait T:arguments"),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "h:ticket s:queue b:nowait"),
    "queue.purge-ok": (50, 31, "l:message_count"),
    "queue.delete": (50, 40, "h:ticket s:queue b:if_unused b:if_empty b:nowait"),
    "queue.delete-ok": (50, 41, "l:message_count"),
    "queue.unbind": (50, 50, "h:ticket s:queue s:exchange s:routing_key T:arguments"),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "l:prefetch_size h:prefetch_count b:global"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (
        60, 20, "h:ticket s:queue s:consumer_tag b:no_local b:no_ack b:exclusive b:nowait T:arguments"),
    "basic.consume-ok": (60, 21, "s:consumer_tag"),
    "basic.cancel": (60, 30, "s:consumer_tag b:nowait"),
    "basic.cancel-ok": (60, 31, "s:consumer_tag"),
    "basic.publish": (60, 40, "h:ticket s:exchange s:routing_key b:mandatory b:immediate"),
    "basic.return": (60, 50, "h:reply_code s:reply_text s:exchange s:routing_key"),
    "basic.deliver": (60, 60, "s:consumer_tag L:delivery_tag b:redelivered s:exchange s:routing_key"),
    "basic.get": (60, 70, "h:ticket s:queue b:no_ack"),
    "basic.get-ok": (60, 71, "L:delivery_tag b:redelivered s:exchange s:routing_key l:message_count"),
    "basic.get-empty": (60, 72, "s:cluster_id"),
    "basic.ack": (60, 80, "L:delivery_tag b:multiple"),
    "basic.reject": (60, 90, "L:delivery_tag b:requeue"),
    "basic.recover-async": (60, 100, "b:requeue"),
    "basic.recover": (60, 110, "b:requeue"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "L:delivery_tag b:multiple b:requeue"),
    "confirm.select": (85, 10, "b:nowait"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}
BY_ID = {(c, m): (name, args) for name, (c, m, args) in METHODS.items()}

# Content properties in flag order, with their wire types (`t`: timestamp).
PROPERTIES = [
    ("content_type", "s"), ("content_encoding", "s"), ("headers", "T"), ("delivery_mode", "o"),
    ("priority", "o"), ("correlation_id", "s"), ("reply_to", "s"), ("expiration", "s"),
    ("message_id", "s"), ("timestamp", "t"), ("type", "s"), ("user_id", "s"), ("app_id", "s"),
    ("cluster_id", "s"),
]

INTEGERS = {"o": ">B", "h": ">H", "l": ">I", "L": ">Q", "t": ">Q"}
FIELDS = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
          "f": ">f", "d": ">d", "T": ">Q"}


class Typed(NamedTuple):
    """A field value with an explicit wire letter."""

    letter: str
    value: object


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def is_utf8(name):
    try:
        as_bytes(name).decode()
    except UnicodeDecodeError:
        return False
    return True


def pack_field(value):
    """One table value: letter and bytes."""
    if not isinstance(value, Typed):
        value = guess(value)
    letter, v = value
    head = letter.encode()
    if letter == "t":
        return head + bytes([1 if v else 0])
    if letter in FIELDS:
        return head + struct.pack(FIELDS[letter], v)
    if letter == "D":
        return head + struct.pack(">BI", *v)
    if letter in "Sx":
        return head + struct.pack(">I", len(as_bytes(v))) + as_bytes(v)
    if letter == "F":
        return head + pack_table(v)
    if letter == "A":
        items = b"".join(pack_field(x) for x in v)
        return head + struct.pack(">I", len(items)) + items
    return head  # V, and letters that do not exist


def guess(value):
    """The letter a Python value would get from pika."""
    if isinstance(value, bool):
        return Typed("t", value)
    if isinstance(value, int):
        return Typed("I" if -2**31 <= value < 2**31 else "l", value)
    if isinstance(value, float):
        return Typed("d", value)
    if isinstance(value, dict):
        return Typed("F", value)
    if isinstance(value, (list, tuple)):
        return Typed("A", value)
    if value is None:
        return Typed("V", None)
    return Typed("S", value)


def pack_table(table):
    items = b""
    for name, value in table.items():
        key = as_bytes(name)
        items += bytes([len(key)]) + key + pack_field(value)
    return struct.pack(">I", len(items)) + items


def pack_args(args, values):
    """Arguments in the order of `args`; what `values` lacks is zero or empty."""
    out, bits, count = b"", 0, 0
    for arg in args.split():
        kind, name = arg.split(":")
        if kind == "b":
            bits |= (1 if values.get(name) else 0) << count
            count += 1
            continue
        if count:
            out, bits, count = out + bytes([bits]), 0, 0
        out += pack_one(kind, values.get(name))
    return out + (bytes([bits]) if count else b"")


def pack_one(kind, v):
    if isinstance(v, Typed):  # raw bytes in place of an argument
        return v.value
    if kind in INTEGERS:
        return struct.pack(INTEGERS[kind], v or 0)
    if kind == "T":
        return pack_table(v or {})
    data = as_bytes(v or "")
    return (bytes([len(data)]) if kind == "s" else struct.pack(">I", len(data))) + data


def pack_method(name, **values):
    class_id, method_id, args = METHODS[name]
    return struct.pack(">HH", class_id, method_id) + pack_args(args, values)


def pack_header(body_size, class_id=60, weight=0, **properties):
    flags, out = 0, b""
    for index, (name, kind) in enumerate(PROPERTIES):
        if properties.get(name) is not None:
            flags |= 1 << (15 - index)
            out += pack_one(kind, properties[name])
    return struct.pack(">HHQH", class_id, weight, body_size, flags) + out


def pack_frame(kind, channel, payload, end=END):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


class Reader:
    """Takes values off the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        if len(piece) < size:
            raise ValueError("short")
        self.at += size
        return piece

    def one(self, kind):
        if kind in INTEGERS:
            form = INTEGERS[kind]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if kind == "T":
            return self.table()
        size = self.take(1)[0] if kind == "s" else self.one("l")
        return self.take(size).decode("utf-8", "backslashreplace")

    def table(self):
        """A list of [name, letter, value]: order and types matter here."""
        end, rows = self.one("l") + self.at, []
        while self.at < end:
            rows.append([self.one("s"), *self.field()])
        return rows

    def field(self):
        letter = chr(self.take(1)[0])
        if letter == "t":
            return letter, self.take(1)[0] != 0
        if letter in FIELDS:
            form = FIELDS[letter]
            return letter, struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if letter == "D":
            return letter, list(struct.unpack(">BI", self.take(5)))
        if letter == "F":
            return letter, self.table()
        if letter == "A":
            end, items = self.one("l") + self.at, []
            while self.at < end:
                items.append(list(self.field()))
            return letter, items
        if letter in "Sx":
            return letter, self.take(self.one("l")).decode("utf-8", "backslashreplace")
        return letter, None


def unpack_method(payload):
    """`(name, {argument: value})`; unknown methods as `class.method` in digits."""
    reader = Reader(payload)
    ids = reader.one("h"), reader.one("h")
    name, args = BY_ID.get(ids, ("%d.%d" % ids, ""))
    values, bits, left = {}, 0, 0
    for arg in args.split():
        kind, key = arg.split(":")
        if kind == "b":
            if not left:
                bits, left = reader.take(1)[0], 8
            values[key] = bool(bits & 1)
            bits, left = bits >> 1, left - 1
        else:
            left = 0
            values[key] = reader.one(kind)
    return name, values


def unpack_header(payload):
    """`(class id, body size, {property: value})`."""
    reader = Reader(payload)
    class_id, _, size, flags = reader.one("h"), reader.one("h"), reader.one("L"), reader.one("h")
    values = {}
    for index, (name, kind) in enumerate(PROPERTIES):
        if flags & (1 << (15 - index)):
            values[name] = reader.one(kind)
    return class_id, size, values
