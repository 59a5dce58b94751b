"""Queues: declaring, arguments, equivalence, exclusiveness, purging, deleting."""

from case import case, one
from wire import Typed


def queue(**args):
    return ("queue.declare", {"queue": "{q}", **args})


# Declaring and declaring again
one("queue-declare", "queue.declare", queue="{q}")
one("queue-declare-durable", "queue.declare", queue="{q}", durable=True)
one("queue-declare-counts", "queue.declare", queue="{q}",
    before=[queue(), ("confirm.select", {}), ("basic.consume", {"queue": "{q}", "consumer_tag": "a"}),
            ("basic.consume", {"queue": "{q}", "consumer_tag": "b"})])
one("queue-declare-server-named", "queue.declare", queue="", exclusive=True)
one("queue-declare-server-named-not-exclusive", "queue.declare", queue="", arguments={"x-expires": 1000})
one("queue-declare-nowait", "queue.declare", queue="{q}", nowait=True)
one("queue-declare-nowait-other", "queue.declare", before=[queue()], queue="{q}", durable=True, nowait=True)
one("queue-declare-newlines", "queue.declare", queue="{q}\r\n.a\nb", auto_delete=True)
one("queue-declare-odd-name", "queue.declare", queue="{q} é%/\"'{ü\t", auto_delete=True)
one("queue-declare-long-name", "queue.declare", queue="z" * 255, auto_delete=True)
one("queue-declare-name-not-utf8", "queue.declare", queue=b"q.\xff", auto_delete=True)
one("queue-declare-name-with-null", "queue.declare", queue="{q}\0a", auto_delete=True)
one("queue-declare-reserved", "queue.declare", queue="amq.nonsense")
one("queue-declare-reserved-gen", "queue.declare", queue="amq.gen-nonsense", exclusive=True)
one("queue-declare-reserved-passive", "queue.declare", queue="amq.nonsense", passive=True)
one("queue-declare-amq-without-dot", "queue.declare", queue="amqx.{q}", auto_delete=True)
one("queue-declare-passive-missing", "queue.declare", queue="{q}", passive=True)
one("queue-declare-passive-missing-nowait", "queue.declare", queue="{q}", passive=True, nowait=True)
one("queue-declare-passive-existing", "queue.declare", before=[queue()], queue="{q}", passive=True)
one("queue-declare-passive-all-other", "queue.declare", before=[queue()], queue="{q}", passive=True, durable=True,
    auto_delete=True, arguments={"x-expires": 5000})
one("queue-declare-passive-no-name", "queue.declare", queue="", passive=True)
one("queue-declare-passive-no-name-after-declare", "queue.declare", before=[queue()], queue="", passive=True)
one("queue-declare-other-durable", "queue.declare", before=[queue()], queue="{q}", durable=True)
one("queue-declare-other-transient", "queue.declare", before=[queue(durable=True)], queue="{q}")
one("queue-declare-other-auto-delete", "queue.declare", before=[queue()], queue="{q}", auto_delete=True)
one("queue-declare-other-not-auto-delete", "queue.declare", before=[queue(auto_delete=True)], queue="{q}")
one("queue-declare-other-exclusive", "queue.declare", before=[queue()], queue="{q}", exclusive=True)
one("queue-declare-other-not-exclusive", "queue.declare", before=[queue(exclusive=True)], queue="{q}")
one("queue-declare-all-other", "queue.declare", before=[queue()], queue="{q}", durable=True, auto_delete=True,
    arguments={"x-expires": 5000})
one("queue-declare-durable-exclusive", "queue.declare", queue="{q}", durable=True, exclusive=True)

# Arguments: a second declaration with another value
DIFFERENT = {
    "x-expires": (500000, 600000), "x-message-ttl": (5000, 6000), "x-max-length": (10, 20),
    "x-max-length-bytes": (1000, 2000), "x-max-priority": (5, 6), "x-dead-letter-exchange": ("a", "b"),
    "x-dead-letter-routing-key": ("a", "b"), "x-overflow": ("drop-head", "reject-publish"),
    "x-queue-mode": ("default", "lazy"), "x-single-active-consumer": (True, False), "x-queue-version": (1, 2),
    "x-queue-type": ("classic", "quorum"), "x-queue-master-locator": ("min-masters", "client-local"),
    "x-ha-policy": ("all", "nodes"), "x-cancel-on-ha-failover": (True, False), "x-nonsense": (1, 2),
}
for key, (first, second) in DIFFERENT.items():
    base = {"x-dead-letter-exchange": "dlx"} if key == "x-dead-letter-routing-key" else {}
    had, wanted = {**base, key: first}, {**base, key: second}
    one(f"argument-{key}-other", "queue.declare", before=[queue(arguments=had)], queue="{q}", arguments=wanted)
    one(f"argument-{key}-left-out", "queue.declare", before=[queue(arguments=had)], queue="{q}", arguments=base)
    one(f"argument-{key}-added", "queue.declare", before=[queue(arguments=base)], queue="{q}", arguments=had)
    one(f"argument-{key}-same", "queue.declare", before=[queue(arguments=had)], queue="{q}", arguments=had)

# The same number in another wire type
for letter in "bBsuIilL":
    one(f"argument-integer-type-{letter}", "queue.declare", before=[queue(arguments={"x-message-ttl": 100})],
        queue="{q}", arguments={"x-message-ttl": Typed(letter, 100)})
    one(f"argument-integer-type-{letter}-other", "queue.declare", before=[queue(arguments={"x-message-ttl": 100})],
        queue="{q}", arguments={"x-message-ttl": Typed(letter, 99)})
one("argument-order-is-free", "queue.declare",
    before=[queue(arguments={"x-message-ttl": 100, "x-expires": 60000})], queue="{q}",
    arguments={"x-expires": 60000, "x-message-ttl": 100})
one("argument-two-differ", "queue.declare",
    before=[queue(arguments={"x-message-ttl": 100, "x-expires": 60000})], queue="{q}",
    arguments={"x-message-ttl": 101, "x-expires": 60001})
one("argument-given-twice", "queue.declare", queue="{q}",
    arguments=Typed("raw", b"\0\0\0\x26" + 2 * b"\x0dx-message-ttlI\0\0\0\x64"))
one("argument-type-differs-from-string", "queue.declare",
    before=[queue(arguments={"x-dead-letter-exchange": "a"})], queue="{q}", arguments={"x-dead-letter-exchange": 1})

# Arguments: values that are refused, or not
VALUES = {
    "x-expires": [0, -1, 1, "1000", 1.5, True, None, 2**32, 2**32 - 1, 2**31, 2**63 - 1, [], {}],
    "x-message-ttl": [0, -1, "1000", 1.5, True, None, 2**32, 2**32 - 1, 2**63 - 1, [1], {}],
    "x-max-length": [0, -1, "10", 1.5, None, 2**63 - 1],
    "x-max-length-bytes": [0, -1, "10", 2**63 - 1],
    "x-max-priority": [0, 1, -1, 255, 256, "5", 5.0, None],
    "x-dead-letter-exchange": ["", "amq.direct", 5, None, True, "missing"],
    "x-dead-letter-routing-key": ["key", "", 5],
    "x-dead-letter-strategy": ["at-most-once", "at-least-once", "nonsense"],
    "x-overflow": ["drop-head", "reject-publish", "reject-publish-dlx", "nonsense", "", 5],
    "x-queue-mode": ["default", "lazy", "nonsense", 5],
    "x-queue-version": [0, 1, 2, 3, "1"],
    "x-queue-type": ["classic", "nonsense", "", 5, "Classic"],
    "x-queue-master-locator": ["min-masters", "client-local", "random", "nonsense", 5],
    "x-single-active-consumer": [True, False, "true", 1],
    "x-nonsense": [1, "a", None, 1.5, [1, "a"], {"a": {"b": 1}}],
    "x-ha-policy": ["all", "nonsense"],
    "x-delivery-limit": [1, -1, "a"], "x-max-age": ["1D", "x"], "x-initial-cluster-size": [3],
    "x-max-in-memory-length": [5], "x-quorum-initial-group-size": [3], "x-queue-leader-locator": ["balanced", "zz"],
    "x-stream-max-segment-size-bytes": [5], "x-cancel-on-ha-failover": [True], "x-max-in-memory-bytes": [5],
}


def label(value):
    return str(value).replace(" ", "") or "empty"


for key, values in VALUES.items():
    for value in values:
        one(f"argument-{key}={type(value).__name__}:{label(value)}", "queue.declare", queue="{q}",
            arguments={key: value}, auto_delete=key != "x-expires")
for letter in "fdDTVxA":
    value = {"f": 1.0, "d": 1.0, "D": (0, 5), "T": 1000, "V": None, "x": b"100", "A": []}[letter]
    one(f"argument-ttl-of-type-{letter}", "queue.declare", queue="{q}",
        arguments={"x-message-ttl": Typed(letter, value)})
    one(f"argument-unknown-of-type-{letter}", "queue.declare", queue="{q}",
        arguments={"x-nonsense": Typed(letter, value)})
one("argument-priority-and-lazy", "queue.declare", queue="{q}", arguments={"x-max-priority": 5, "x-queue-mode": "lazy"})
one("argument-dlx-key-without-dlx", "queue.declare", queue="{q}", arguments={"x-dead-letter-routing-key": "k"})
one("argument-ttl-and-length-bad", "queue.declare", queue="{q}", arguments={"x-message-ttl": -1, "x-max-length": -1})
one("argument-unreadable-type", "queue.declare", queue="{q}", arguments={"x-nonsense": Typed("Z", None)})

# Quorum queues and streams: what their declarations refuse
for kind in ("quorum", "stream"):
    durable = {"queue": "{q}", "durable": True}
    kinded = {"x-queue-type": kind}
    one(f"{kind}-not-durable", "queue.declare", queue="{q}", arguments=kinded)
    one(f"{kind}-exclusive", "queue.declare", **durable, exclusive=True, arguments=kinded)
    one(f"{kind}-auto-delete", "queue.declare", **durable, auto_delete=True, arguments=kinded)
    one(f"{kind}-server-named", "queue.declare", queue="", durable=True, arguments=kinded)
    one(f"{kind}-x-max-priority", "queue.declare", **durable, arguments={**kinded, "x-max-priority": 5})
    one(f"{kind}-x-expires", "queue.declare", **durable, arguments={**kinded, "x-expires": -1})

# The last declared queue, by empty name
for method in ("queue.purge", "queue.delete", "basic.get", "basic.consume"):
    one(f"{method}-no-queue-named", method, queue="")
    one(f"{method}-last-declared", method, before=[queue()], queue="")
    one(f"{method}-missing", method, queue="{q}")
    one(f"{method}-exclusive-of-another", method, other=[queue(exclusive=True)], queue="{q}")
one("queue-last-declared-by-passive", "queue.purge",
    before=[queue(), queue(queue="{q2}"), ("queue.declare", {"queue": "{q}", "passive": True})], queue="")
one("queue-last-declared-was-deleted", "queue.purge", before=[queue(), ("queue.delete", {"queue": "{q}"})], queue="")
one("queue-last-declared-server-named", "queue.purge", before=[queue(queue="", exclusive=True)], queue="")

# Exclusive queues of another connection
one("exclusive-declare", "queue.declare", other=[queue(exclusive=True)], queue="{q}")
one("exclusive-declare-exclusive", "queue.declare", other=[queue(exclusive=True)], queue="{q}", exclusive=True)
one("exclusive-declare-passive", "queue.declare", other=[queue(exclusive=True)], queue="{q}", passive=True)
one("exclusive-publish-default", "publish", other=[queue(exclusive=True)], routing_key="{q}", mandatory=True)
one("exclusive-own-second-channel", "queue.declare", before=[queue(exclusive=True), ("channel.open", {"channel": 2})],
    channel=2, queue="{q}", exclusive=True)

# Purging and deleting
FULL = [queue(), ("confirm.select", {}), ("publish", {"routing_key": "{q}"})]
BUSY = [queue(), ("basic.consume", {"queue": "{q}", "consumer_tag": "c"})]
one("queue-purge-count", "queue.purge", before=[queue(), ("tx.select", {}), ("publish", {"routing_key": "{q}"}),
                                               ("publish", {"routing_key": "{q}"}), ("tx.commit", {})], queue="{q}")
one("queue-purge-nowait", "queue.purge", before=[queue()], queue="{q}", nowait=True)
one("queue-delete-count", "queue.delete", before=[queue(), ("tx.select", {}), ("publish", {"routing_key": "{q}"}),
                                                 ("tx.commit", {})], queue="{q}")
one("queue-delete-if-empty-full", "queue.delete",
    before=[queue(), ("tx.select", {}), ("publish", {"routing_key": "{q}"}), ("tx.commit", {})], queue="{q}",
    if_empty=True)
one("queue-delete-if-empty-unacked-only", "queue.delete",
    before=[queue(), ("tx.select", {}), ("publish", {"routing_key": "{q}"}), ("tx.commit", {})], queue="{q}",
    if_unused=True)
one("queue-delete-if-unused-consumer", "queue.delete", before=BUSY, queue="{q}", if_unused=True)
one("queue-delete-if-unused-and-empty-both-wrong", "queue.delete",
    before=[queue(), ("tx.select", {}), ("publish", {"routing_key": "{q}"}), ("tx.commit", {}),
            ("basic.qos", {"prefetch_count": 1}), ("channel.open", {"channel": 2}), ],
    queue="{q}", if_unused=True, if_empty=True)
one("queue-delete-missing-if-unused", "queue.delete", queue="{q}", if_unused=True, if_empty=True)
one("queue-delete-reserved", "queue.delete", queue="amq.nonsense")
one("queue-delete-nowait", "queue.delete", before=[queue()], queue="{q}", nowait=True)


@case("queue-delete-in-use-and-not-empty")
def delete_in_use(trial):
    connection = trial.connect()
    trial.do(connection, [queue(), ("basic.qos", {"prefetch_count": 1}), ("basic.consume", {"queue": "{q}"})])
    for _ in range(3):
        connection.publish(routing_key=trial.name("q"), body=b"m")
    connection.expect("basic.deliver")
    connection.send("queue.delete", queue=trial.name("q"), if_unused=True, if_empty=True)
    return connection.outcome()


@case("queue-auto-delete-after-cancel")
def auto_delete(trial):
    connection = trial.connect()
    trial.do(connection, [queue(auto_delete=True), ("basic.consume", {"queue": "{q}", "consumer_tag": "c"}),
                          ("basic.cancel", {"consumer_tag": "c"})])
    connection.send("queue.declare", queue=trial.name("q"), passive=True)
    return connection.outcome()


@case("queue-auto-delete-unused-stays")
def auto_delete_unused(trial):
    connection = trial.connect()
    trial.do(connection, [queue(auto_delete=True), ("basic.get", {"queue": "{q}"})])
    connection.send("queue.declare", queue=trial.name("q"), passive=True)
    return connection.outcome()


@case("queue-exclusive-gone-with-connection")
def exclusive_gone(trial):
    first = trial.connect()
    trial.do(first, [queue(exclusive=True)])
    first.close()
    second = trial.connect()
    second.send("queue.declare", queue=trial.name("q"), passive=True)
    return second.outcome()


@case("queue-expires")
def expires(trial):
    connection = trial.connect()
    trial.do(connection, [queue(arguments={"x-expires": 200})])
    first = connection.next(0.5)
    connection.send("queue.declare", queue=trial.name("q"), passive=True)
    return [first, *connection.outcome()]
