"""Publishing, consuming, acknowledging, confirms and transactions."""

from case import case, one
from wire import BODY, HEADER, METHOD, Typed, pack_header, pack_method

QUEUE = ("queue.declare", {"queue": "{q}"})
ONE = ("publish", {"routing_key": "{q}", "body": b"hello"})
EXCHANGE = ("exchange.declare", {"exchange": "{x}", "type": "direct"})
SELECT = ("confirm.select", {})


def filled(count=1):
    """A queue with messages that are there for sure: a transaction's commit answers for them."""
    return [QUEUE, ("channel.open", {"channel": 5}), ("tx.select", {"channel": 5})] + [
        ("publish", {"routing_key": "{q}", "body": b"m", "channel": 5})] * count + [("tx.commit", {"channel": 5})]


def consumer(**args):
    return ("basic.consume", {"queue": "{q}", "consumer_tag": "c", **args})


GET = ("basic.get", {"queue": "{q}"})

# Consuming
one("consume", "basic.consume", before=[QUEUE], queue="{q}", consumer_tag="tag")
one("consume-server-named-tag", "basic.consume", before=[QUEUE], queue="{q}")
one("consume-tag-twice", "basic.consume", before=[QUEUE, consumer()], queue="{q}", consumer_tag="c")
one("consume-tag-other-channel", "basic.consume", before=[QUEUE, consumer(), ("channel.open", {"channel": 2})],
    queue="{q}", consumer_tag="c", channel=2)
one("consume-exclusive", "basic.consume", before=[QUEUE], queue="{q}", exclusive=True, consumer_tag="c")
one("consume-exclusive-refused", "basic.consume", before=[QUEUE, consumer()], queue="{q}", exclusive=True)
one("consume-refused-by-exclusive", "basic.consume", before=[QUEUE, consumer(exclusive=True)], queue="{q}")
one("consume-exclusive-refused-by-exclusive", "basic.consume", before=[QUEUE, consumer(exclusive=True)], queue="{q}",
    exclusive=True)
one("get-while-exclusive-consumer", "basic.get", before=[QUEUE, consumer(exclusive=True)], queue="{q}")
one("consume-no-local", "basic.consume", before=[QUEUE], queue="{q}", no_local=True, consumer_tag="c")
for value in ("5", 5, -1, 2**40, 1.5, None, True):
    one(f"consume-priority={type(value).__name__}:{value}", "basic.consume", before=[QUEUE], queue="{q}",
        consumer_tag="c", arguments={"x-priority": value})
one("consume-unknown-argument", "basic.consume", before=[QUEUE], queue="{q}", consumer_tag="c",
    arguments={"x-nonsense": 1})
one("consume-cancel-on-ha-failover", "basic.consume", before=[QUEUE], queue="{q}", consumer_tag="c",
    arguments={"x-cancel-on-ha-failover": True})
one("consume-single-active-exclusive", "basic.consume",
    before=[("queue.declare", {"queue": "{q}", "arguments": {"x-single-active-consumer": True}})], queue="{q}",
    exclusive=True)
one("consume-trace-tag", "basic.consume", before=[QUEUE], queue="{q}", consumer_tag="amq.mine")
one("consume-long-tag", "basic.consume", before=[QUEUE], queue="{q}", consumer_tag="t" * 255)
one("cancel-unknown", "basic.cancel", consumer_tag="nonsense")
one("cancel-empty", "basic.cancel", consumer_tag="")
one("cancel", "basic.cancel", before=[QUEUE, consumer()], consumer_tag="c")
one("cancel-nowait", "basic.cancel", before=[QUEUE, consumer()], consumer_tag="c", nowait=True)
one("cancel-from-other-channel", "basic.cancel", before=[QUEUE, consumer(), ("channel.open", {"channel": 2})],
    consumer_tag="c", channel=2)


@case("consume-nowait-same-tag")
def consume_nowait(trial):
    connection = trial.connect()
    trial.do(connection, [QUEUE])
    connection.send("basic.consume", queue=trial.name("q"), consumer_tag="c", nowait=True)
    connection.send("basic.consume", queue=trial.name("q"), consumer_tag="c", nowait=True)
    return connection.outcome()


@case("consume-nowait-empty-tag")
def consume_nowait_empty(trial):
    connection = trial.connect()
    trial.do(connection, [QUEUE])
    connection.send("basic.consume", queue=trial.name("q"), consumer_tag="", nowait=True)
    connection.publish(routing_key=trial.name("q"), body=b"x")
    return connection.outcome(fence=False, until="basic.deliver")


@case("consume-cancelled-by-deletion")
def cancelled(trial):
    connection = trial.connect(channels=(1, 2))
    trial.do(connection, [QUEUE, consumer()])
    connection.send("queue.delete", 2, queue=trial.name("q"))
    return sorted([connection.next(), connection.next()], key=str)  # in either order


@case("consume-cancelled-by-deletion-not-capable")
def cancelled_silently(trial):
    connection = trial.connect(channels=(1, 2), capabilities={})
    trial.do(connection, [QUEUE, consumer()])
    connection.call("queue.delete", 2, queue=trial.name("q"))
    connection.send("basic.cancel", consumer_tag="c")
    return connection.outcome()


# Getting
one("get-empty", "basic.get", before=[QUEUE], queue="{q}")
one("get-ok", "basic.get", before=filled(3), queue="{q}")
one("get-no-ack", "basic.get", before=filled(1), queue="{q}", no_ack=True)

# Prefetch
one("qos-size", "basic.qos", prefetch_size=1000)
one("qos-size-global", "basic.qos", prefetch_size=1, **{"global": True})
one("qos-count", "basic.qos", prefetch_count=65535)

# Acknowledging
one("ack-unknown", "basic.ack", delivery_tag=7)
one("ack-unknown-multiple", "basic.ack", delivery_tag=7, multiple=True)
one("ack-zero", "basic.ack", delivery_tag=0)
one("ack-zero-multiple", "basic.ack", delivery_tag=0, multiple=True)
one("ack-huge", "basic.ack", delivery_tag=2**64 - 1)
one("ack-twice", "basic.ack", before=filled() + [GET, ("basic.recover", {"requeue": True})], delivery_tag=1)
one("ack-multiple-beyond", "basic.ack", before=filled(2) + [GET], delivery_tag=5, multiple=True)
one("ack-zero-multiple-some", "basic.ack", before=filled(2) + [GET, GET], delivery_tag=0, multiple=True)
one("ack-after-no-ack-get", "basic.ack", before=filled() + [("basic.get", {"queue": "{q}", "no_ack": True})],
    delivery_tag=1)
one("ack-other-channel", "basic.ack", before=filled() + [GET, ("channel.open", {"channel": 2})], delivery_tag=1,
    channel=2)
one("ack-of-deleted-queue", "basic.ack", before=filled() + [GET, ("queue.delete", {"queue": "{q}"})], delivery_tag=1)
one("reject-unknown", "basic.reject", delivery_tag=7)
one("reject-zero", "basic.reject", delivery_tag=0)
one("nack-unknown", "basic.nack", delivery_tag=7)
one("nack-unknown-multiple", "basic.nack", delivery_tag=7, multiple=True)
one("nack-zero-multiple", "basic.nack", delivery_tag=0, multiple=True, requeue=True)
one("recover-no-requeue", "basic.recover", requeue=False)
one("recover-async-no-requeue", "basic.recover-async", requeue=False)
one("recover", "basic.recover", requeue=True)
one("recover-async", "basic.recover-async", requeue=True)


@case("ack-again")
def ack_again(trial):
    connection = trial.connect()
    trial.do(connection, filled(2) + [GET, GET])
    connection.send("basic.ack", delivery_tag=1)
    connection.send("basic.ack", delivery_tag=1)
    return connection.outcome()


@case("ack-multiple-then-lower")
def ack_lower(trial):
    connection = trial.connect()
    trial.do(connection, filled(3) + [GET, GET, GET])
    connection.send("basic.ack", delivery_tag=2, multiple=True)
    connection.send("basic.ack", delivery_tag=1, multiple=True)
    return connection.outcome()


@case("reject-requeue-then-get")
def requeue(trial):
    connection = trial.connect()
    trial.do(connection, filled(2) + [GET])
    connection.send("basic.reject", delivery_tag=1, requeue=True)
    connection.send("channel.flow", active=True)
    connection.expect("channel.flow-ok")
    connection.send("basic.get", queue=trial.name("q"))
    return connection.outcome()


@case("recover-redelivers")
def recover(trial):
    connection = trial.connect()
    trial.do(connection, filled(2) + [("basic.qos", {"prefetch_count": 2})])
    connection.send("basic.consume", queue=trial.name("q"), consumer_tag="c")
    events = [connection.next() for _ in range(3)]
    connection.send("basic.recover", requeue=True)
    return events + [connection.next() for _ in range(3)]


# Publishing
one("publish-missing-exchange", "publish", exchange="{x}", routing_key="k", body=b"m")
one("publish-missing-exchange-mandatory", "publish", exchange="{x}", routing_key="k", body=b"m", mandatory=True)
one("publish-missing-exchange-empty-body", "publish", exchange="{x}", routing_key="k")
one("publish-internal-exchange", "publish",
    before=[("exchange.declare", {"exchange": "{x}", "type": "direct", "internal": True})], exchange="{x}",
    body=b"m")
one("publish-trace-exchange", "publish", exchange="amq.rabbitmq.trace", body=b"m")
one("publish-immediate", "publish", before=[QUEUE], routing_key="{q}", immediate=True, body=b"m")
one("publish-immediate-missing-exchange", "publish", exchange="{x}", immediate=True, body=b"m")
one("publish-mandatory-returned", "publish", before=[EXCHANGE], exchange="{x}", routing_key="nobody",
    mandatory=True, body=b"payload", content_type="text/plain", message_id="id",
    headers={"a": 1, "b": "text", "c": [1, True], "d": {"e": None}, "f": 1.5, "g": Typed("T", 1), "h": Typed("D", (2, 5)),
             "i": Typed("b", -1), "j": Typed("s", -2), "k": Typed("l", 2**40), "l": Typed("x", b"bytes"),
             "m": Typed("f", 0.5), "n": Typed("B", 200), "o": Typed("u", 60000), "p": Typed("i", 4000000000)})
one("publish-mandatory-default-exchange", "publish", routing_key="nobody.{q}", mandatory=True)
one("publish-mandatory-confirm-order", "publish", before=[SELECT], routing_key="nobody.{q}", mandatory=True,
    until="basic.ack", fence=False)
one("publish-unroutable-confirm", "publish", before=[SELECT], routing_key="nobody.{q}", until="basic.ack",
    fence=False)
one("publish-confirm", "publish", before=[QUEUE, SELECT], routing_key="{q}", until="basic.ack", fence=False)
for word in ("abc", "", "-1", "1.5", "10 ", " 10", "10abc", "4294967295", "4294967296", "315360000000",
             "315360000001", "99999999999999999999", "0", "+5", "0x10"):
    one(f"publish-expiration={word}", "publish", before=[QUEUE], routing_key="{q}", body=b"m", expiration=word)
one("publish-expiration-missing-exchange", "publish", exchange="{x}", body=b"m", expiration="abc")
one("publish-user-id-other", "publish", before=[QUEUE], routing_key="{q}", body=b"m", user_id="somebody")
one("publish-user-id-own", "publish", before=[QUEUE], routing_key="{q}", body=b"m", user_id="guest")
one("publish-user-id-empty", "publish", before=[QUEUE], routing_key="{q}", body=b"m", user_id="")
one("publish-user-id-impersonator", "publish", before=[QUEUE], routing_key="{q}", body=b"m", user_id="somebody",
    options={"user": "conf-impersonator", "password": "secret"})
one("publish-delivery-mode-odd", "publish", before=[QUEUE], routing_key="{q}", body=b"m", delivery_mode=9)
one("publish-priority-255", "publish", before=[QUEUE], routing_key="{q}", body=b"m", priority=255)
one("publish-cc-not-array", "publish", before=[QUEUE], routing_key="{q}", body=b"m", headers={"CC": "other"})
one("publish-cc-of-numbers", "publish", before=[QUEUE], routing_key="{q}", body=b"m", headers={"CC": [1, 2]})
one("publish-bcc-not-array", "publish", before=[QUEUE], routing_key="{q}", body=b"m", headers={"BCC": 5})
one("publish-expiration-and-user-id-bad", "publish", before=[QUEUE], routing_key="{q}", body=b"m",
    user_id="somebody", expiration="abc")
one("publish-ticket", "basic.get", before=[QUEUE], queue="{q}", ticket=7)


def announced(name, size, **properties):
    """A publish whose header announces a body that never comes."""
    @case(name)
    def play(trial):
        connection = trial.connect()
        trial.do(connection, [QUEUE])
        connection.frame(METHOD, 1, pack_method("basic.publish", routing_key=trial.name("q")))
        connection.frame(HEADER, 1, pack_header(size, **properties))
        return connection.outcome(fence=False, patience=0.5)


announced("publish-body-limit", 134217728)


@case("publish-body-over-limit", alone=True)
def too_large(trial):
    """One octet over 128 MiB, all of it: RabbitMQ answers when it has the whole body."""
    connection = trial.connect()
    trial.do(connection, [QUEUE])
    connection.frame(METHOD, 1, pack_method("basic.publish", routing_key=trial.name("q")))
    connection.frame(HEADER, 1, pack_header(134217729))
    piece, left = bytes(131064), 134217729
    connection.socket.settimeout(20)
    while left:
        connection.frame(BODY, 1, piece[:left])
        left -= min(left, len(piece))
    return connection.outcome(fence=False, patience=20)


# Direct reply-to
REPLY = "amq.rabbitmq.reply-to"
one("reply-to-consume", "basic.consume", queue=REPLY, no_ack=True, consumer_tag="r")
one("reply-to-consume-acking", "basic.consume", queue=REPLY)
one("reply-to-consume-twice", "basic.consume", before=[("basic.consume", {"queue": REPLY, "no_ack": True})],
    queue=REPLY, no_ack=True)
one("reply-to-consume-exclusive", "basic.consume", queue=REPLY, no_ack=True, exclusive=True, consumer_tag="r")
one("reply-to-publish-no-consumer", "publish", before=[QUEUE], routing_key="{q}", body=b"m", reply_to=REPLY)
one("reply-to-publish-missing-exchange", "publish", exchange="{x}", body=b"m", reply_to=REPLY)
one("reply-to-get", "basic.get", queue=REPLY)
one("reply-to-declare", "queue.declare", queue=REPLY)
one("reply-to-declare-passive", "queue.declare", queue=REPLY, passive=True)
one("reply-to-declare-consuming", "queue.declare",
    before=[("basic.consume", {"queue": REPLY, "no_ack": True})], queue=REPLY)
one("reply-to-declare-stale", "queue.declare", queue=REPLY + ".nonsense", passive=True)
one("reply-to-declare-stale-token", "queue.declare", queue=REPLY + ".g1h2AA9yZXBseUA1NzE5MjI5MgAAAAAAAAB1.YQ==")
one("reply-to-purge", "queue.purge", queue=REPLY)
one("reply-to-delete", "queue.delete", queue=REPLY)
one("reply-to-bind", "queue.bind", queue=REPLY, exchange="amq.direct")
one("reply-to-publish-to-nobody", "publish", routing_key=REPLY + ".nonsense", body=b"m", mandatory=True)
one("reply-to-publish-to-plain-name", "publish", routing_key=REPLY, body=b"m", mandatory=True)


@case("reply-to-round-trip")
def round_trip(trial):
    asking, answering = trial.connect(), trial.connect()
    trial.do(asking, [QUEUE, ("basic.consume", {"queue": REPLY, "no_ack": True, "consumer_tag": "r"})])
    trial.do(answering, [("basic.consume", {"queue": "{q}", "no_ack": True, "consumer_tag": "c"})])
    asking.publish(routing_key=trial.name("q"), body=b"ask", reply_to=REPLY, correlation_id="1")
    asked = answering.expect("basic.deliver")
    address = asked["properties"]["reply_to"]
    answering.publish(routing_key=address, body=b"answer", correlation_id="1")
    answer = asking.expect("basic.deliver")
    answering.send("queue.declare", queue=address, passive=True)
    alive = answering.next()
    asking.call("basic.cancel", consumer_tag="r")
    asking.close()
    answering.publish(routing_key=address, body=b"late", mandatory=True)
    return [asked, answer, alive, *answering.outcome()]


# Confirms, transactions, flow
one("confirm-select", "confirm.select")
one("confirm-select-twice", "confirm.select", before=[SELECT])
one("confirm-select-nowait", "confirm.select", nowait=True)
one("confirm-on-tx-channel", "confirm.select", before=[("tx.select", {})])
one("tx-on-confirm-channel", "tx.select", before=[SELECT])
one("tx-select-twice", "tx.select", before=[("tx.select", {})])
one("tx-commit-without-select", "tx.commit")
one("tx-rollback-without-select", "tx.rollback")
one("tx-commit-empty", "tx.commit", before=[("tx.select", {})])
one("tx-rollback-empty", "tx.rollback", before=[("tx.select", {})])
one("tx-publish-missing-exchange", "publish", before=[("tx.select", {})], exchange="{x}", body=b"m")
one("tx-ack-unknown", "basic.ack", before=[("tx.select", {})], delivery_tag=9)
one("flow-off", "channel.flow", active=False)
one("flow-on", "channel.flow", active=True, fence=False, until="channel.flow-ok")
one("access-request", "access.request", realm="/data", active=True)


@case("confirms-of-several")
def confirms(trial):
    connection = trial.connect()
    trial.do(connection, [QUEUE, SELECT])
    for _ in range(3):
        connection.publish(routing_key=trial.name("q"), body=b"m", delivery_mode=2)
    top = 0
    while top < 3:
        top = connection.expect("basic.ack")["delivery_tag"]
    return [{"confirmed": top}]


@case("tx-return-at-commit")
def tx_return(trial):
    connection = trial.connect()
    trial.do(connection, [("tx.select", {})])
    connection.publish(routing_key="nobody." + trial.name("q"), body=b"m", mandatory=True)
    connection.send("tx.commit")
    return connection.outcome()


@case("publish-body-octets")
def binary(trial):
    connection = trial.connect()
    trial.do(connection, [QUEUE, ("basic.consume", {"queue": "{q}", "consumer_tag": "c", "no_ack": True})])
    connection.publish(routing_key=trial.name("q"), body=bytes(range(256)), content_type="application/octet-stream",
                       content_encoding="x", delivery_mode=1, priority=3, correlation_id="ci", reply_to="rt",
                       expiration="60000", message_id="mi", timestamp=1234567890, type="ty", user_id="guest",
                       app_id="ai", cluster_id="cl")
    return connection.outcome(fence=False, until="basic.deliver")
