"""Where aileron answers otherwise than RabbitMQ 3.10.8 on purpose.

Case name -> `(reason, events)`. Each entry is also named, with its reason, in
docs/compatibility.md; a case that is not here must be answered as recorded.
`AS_RECORDED_OR` entries accept either answer: RabbitMQ's there is an accident
of its innards (a crash, an endless wait) that no client can rely on.
"""

REFUSED_TYPE = "an unknown exchange type is a channel error, as in RabbitMQ 4.x"


# Cases whose subject is not built yet: skipped, with the reason.
LATER = {
    **dict.fromkeys(("dead-letter-rejected", "dead-letter-expired-message", "dead-letter-expired-queue",
                     "dead-letter-maxlen", "dead-letter-other-key", "dead-letter-with-cc"),
                    "dead-lettering is not there yet"),
    **dict.fromkeys(("max-length-drops-head", "max-length-reject-publish"),
                    "x-max-length and x-overflow have no effect yet"),
    "consume-single-active-exclusive": "x-single-active-consumer has no effect yet",
    **dict.fromkeys(("alarm-memory", "alarm-not-capable"), "set_vm_memory_high_watermark is not there yet"),
    "alarm-disk": "set_disk_free_limit is not there yet",
    "access-topic-permissions": "topic permissions are not there yet",
}


def channel_406(text, class_id, method_id, channel=1):
    return [{"channel": channel, "method": "channel.close", "reply_code": 406,
             "reply_text": f"PRECONDITION_FAILED - {text}", "class_id": class_id, "method_id": method_id}]


SERVER_METHOD = "a method with content that only a server sends is refused at once, not when its content is missing"


def refused_method(class_id, method_id):
    return [{"channel": 0, "method": "connection.close", "reply_code": 503,
             "reply_text": "COMMAND_INVALID - unimplemented method", "class_id": class_id, "method_id": method_id}]


# case -> (reason, the events of aileron)
DIFFERENCES = {
    "method-of-server-basic.deliver": (SERVER_METHOD, refused_method(60, 60)),
    "method-of-server-basic.return": (SERVER_METHOD, refused_method(60, 50)),
}

# case -> (reason, a test of the events)
AS_RECORDED_OR = {}
for name, word in (("exchange-declare-unknown-type", "nonsense"),
                   ("exchange-declare-unknown-type-atom", "x-delayed-message"),
                   ("exchange-declare-type-is-a-known-atom", "true"), ("exchange-declare-empty-type", ""),
                   ("exchange-declare-unknown-type-existing", "nonsense"),
                   ("exchange-declare-nowait-unknown-type", "nonsense"),
                   ("exchange-declare-plugin-type-hash", "x-consistent-hash"),
                   ("access-exchange-declare-unknown-type", "nonsense")):
    AS_RECORDED_OR[name] = (REFUSED_TYPE, [channel_406(f"{verdict} exchange type '{word}'", 40, 10)
                                           for verdict in ("unknown", "invalid")])


def ends(events):
    """The connection was refused in some orderly way."""
    return bool(events) and (events[0].get("method") == "connection.close" or "eof" in events[0])


# What RabbitMQ answers by a crash of its reader or channel, or not at all: any end of the connection is as good.
LOOSE = {
    "argument-unreadable-type": ends, "method-unknown-in-connection": ends, "method-unknown-in-channel": ends,
    "method-unknown-in-queue": ends, "method-unknown-in-basic": ends, "method-unknown-in-unknown": ends,
    "method-unknown-on-channel-0": ends, "method-unknown-in-connection-channel-0": ends,
    "method-table-unfinished-value": ends, "method-table-name-beyond-end": ends, "header-truncated": ends,
    "header-trailing-octets": ends, "header-second-flags": ends, "header-bad-headers-table": ends,
    "body-too-long": ends, "reply-to-declare-stale-token": lambda events: "reply_code" in events[0],
    "argument-x-queue-master-locator=str:nonsense": lambda events: "method" in events[0],
    "argument-x-queue-master-locator=int:5": lambda events: "method" in events[0],
    "protocol-header-0-8": lambda events: "protocol_header" in events[0],
    "header-property-not-utf8": lambda events: True,
}

# Facts about the product itself: present with the same type, free in their value.
FREE_PROPERTIES = ("cluster_name", "copyright", "information", "platform", "product", "version")


def comparable(events):
    """Events without what may differ between two brokers that behave alike."""
    out = []
    for event in events:
        if "server_properties" in event:
            event = {**event, "server_properties": [
                [name, letter, "*" if name in FREE_PROPERTIES else value]
                for name, letter, value in event["server_properties"]]}
        out.append(event)
    return out


def verdict(name, recorded, heard):
    """None when `heard` is right for the case, else what would have been."""
    recorded, heard = comparable(recorded), comparable(heard)
    if heard == recorded:
        return None
    if name in DIFFERENCES:
        return None if heard == DIFFERENCES[name][1] else DIFFERENCES[name][1]
    if name in AS_RECORDED_OR and heard in AS_RECORDED_OR[name][1]:
        return None
    if name in LOOSE and LOOSE[name](heard):
        return None
    return recorded
