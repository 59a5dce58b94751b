"""Exchanges: declaring, deleting, binding, and what is refused."""

from case import case, one
from wire import Typed

ROOMY = {"arguments": {"alternate-exchange": "{x2}"}}


def declare(**args):
    return ("exchange.declare", {"exchange": "{x}", "type": "direct", **args})


def queue(**args):
    return ("queue.declare", {"queue": "{q}", **args})


# Declaring
for kind in ("direct", "fanout", "topic", "headers"):
    one(f"exchange-declare-{kind}", "exchange.declare", exchange="{x}", type=kind)
one("exchange-declare-again", "exchange.declare", before=[declare(durable=True)], exchange="{x}", type="direct",
    durable=True)
one("exchange-declare-other-type", "exchange.declare", before=[declare()], exchange="{x}", type="topic")
one("exchange-declare-other-durable", "exchange.declare", before=[declare()], exchange="{x}", type="direct",
    durable=True)
one("exchange-declare-other-transient", "exchange.declare", before=[declare(durable=True)], exchange="{x}",
    type="direct")
one("exchange-declare-other-auto-delete", "exchange.declare", before=[declare()], exchange="{x}", type="direct",
    auto_delete=True)
one("exchange-declare-other-internal", "exchange.declare", before=[declare()], exchange="{x}", type="direct",
    internal=True)
one("exchange-declare-all-other", "exchange.declare", before=[declare()], exchange="{x}", type="fanout",
    internal=True, durable=True, auto_delete=True, **ROOMY)
one("exchange-declare-other-alternate", "exchange.declare", before=[declare(**ROOMY)], exchange="{x}",
    type="direct", arguments={"alternate-exchange": "{x3}"})
one("exchange-declare-alternate-left-out", "exchange.declare", before=[declare(**ROOMY)], exchange="{x}",
    type="direct")
one("exchange-declare-alternate-added", "exchange.declare", before=[declare()], exchange="{x}", type="direct",
    **ROOMY)
one("exchange-declare-alternate-same", "exchange.declare", before=[declare(**ROOMY)], exchange="{x}",
    type="direct", **ROOMY)
one("exchange-declare-alternate-number", "exchange.declare", exchange="{x}", type="direct",
    arguments={"alternate-exchange": 5})
one("exchange-declare-alternate-empty", "exchange.declare", exchange="{x}", type="direct",
    arguments={"alternate-exchange": ""})
one("exchange-declare-unknown-argument", "exchange.declare", exchange="{x}", type="direct",
    arguments={"x-nonsense": "kept"})
one("exchange-declare-unknown-argument-other", "exchange.declare",
    before=[declare(arguments={"x-nonsense": "a"})], exchange="{x}", type="direct", arguments={"x-nonsense": "b"})
one("exchange-declare-unknown-type", "exchange.declare", exchange="{x}", type="nonsense")
one("exchange-declare-unknown-type-atom", "exchange.declare", exchange="{x}", type="x-delayed-message")
one("exchange-declare-type-is-a-known-atom", "exchange.declare", exchange="{x}", type="true")
one("exchange-declare-empty-type", "exchange.declare", exchange="{x}", type="")
one("exchange-declare-unknown-type-existing", "exchange.declare", before=[declare()], exchange="{x}",
    type="nonsense")
one("exchange-declare-reserved", "exchange.declare", exchange="amq.nonsense", type="direct")
one("exchange-declare-reserved-predeclared", "exchange.declare", exchange="amq.direct", type="direct", durable=True)
one("exchange-declare-predeclared-other-type", "exchange.declare", exchange="amq.direct", type="topic", durable=True)
one("exchange-declare-predeclared-transient", "exchange.declare", exchange="amq.topic", type="topic")
one("exchange-declare-predeclared-passive", "exchange.declare", exchange="amq.topic", passive=True)
one("exchange-declare-reserved-passive", "exchange.declare", exchange="amq.nonsense", passive=True)
one("exchange-declare-amqx", "exchange.declare", exchange="amqx.{x}", type="direct", auto_delete=True)
one("exchange-declare-default", "exchange.declare", exchange="", type="direct", durable=True)
one("exchange-declare-default-passive", "exchange.declare", exchange="", type="direct", passive=True)
one("exchange-declare-default-other-type", "exchange.declare", exchange="", type="topic")
one("exchange-declare-passive-missing", "exchange.declare", exchange="{x}", passive=True)
one("exchange-declare-passive-other-type", "exchange.declare", before=[declare()], exchange="{x}", type="topic",
    passive=True)
one("exchange-declare-passive-other-durable", "exchange.declare", before=[declare()], exchange="{x}",
    type="direct", durable=True, passive=True)
one("exchange-declare-passive-unknown-type", "exchange.declare", before=[declare()], exchange="{x}",
    type="nonsense", passive=True)
one("exchange-declare-newline-in-name", "exchange.declare", exchange="{x}\n\r.a", type="direct", auto_delete=True)
one("exchange-declare-odd-name", "exchange.declare", exchange="{x} é%/\"'{ü", type="direct", auto_delete=True)
one("exchange-declare-name-not-utf8", "exchange.declare", exchange=b"x.\xff\xfe", type="direct", auto_delete=True)
one("exchange-declare-long-name", "exchange.declare", exchange="y" * 255, type="direct", auto_delete=True)
one("exchange-declare-nowait", "exchange.declare", exchange="{x}", type="direct", nowait=True)
one("exchange-declare-nowait-unknown-type", "exchange.declare", exchange="{x}", type="nonsense", nowait=True)
one("exchange-declare-passive-nowait-missing", "exchange.declare", exchange="{x}", passive=True, nowait=True)
one("exchange-declare-plugin-type-hash", "exchange.declare", exchange="{x}", type="x-consistent-hash")
one("exchange-declare-void-argument", "exchange.declare", exchange="{x}", type="direct",
    arguments={"nothing": Typed("V", None)})
one("exchange-declare-ticket", "exchange.declare", exchange="{x}", type="direct", ticket=101)

# Deleting
one("exchange-delete", "exchange.delete", before=[declare()], exchange="{x}")
one("exchange-delete-missing", "exchange.delete", exchange="{x}")
one("exchange-delete-missing-if-unused", "exchange.delete", exchange="{x}", if_unused=True)
one("exchange-delete-default", "exchange.delete", exchange="")
for name in ("amq.direct", "amq.topic", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.none"):
    one(f"exchange-delete-{name}", "exchange.delete", exchange=name)
one("exchange-delete-if-unused-bound", "exchange.delete",
    before=[declare(), queue(), ("queue.bind", {"queue": "{q}", "exchange": "{x}"})], exchange="{x}", if_unused=True)
one("exchange-delete-bound", "exchange.delete",
    before=[declare(), queue(), ("queue.bind", {"queue": "{q}", "exchange": "{x}"})], exchange="{x}")
one("exchange-delete-if-unused-bound-as-destination", "exchange.delete",
    before=[declare(), declare(exchange="{x2}"), ("exchange.bind", {"destination": "{x}", "source": "{x2}"})],
    exchange="{x}", if_unused=True)
one("exchange-delete-nowait", "exchange.delete", before=[declare()], exchange="{x}", nowait=True)

# Binding exchanges
PAIR = [declare(), declare(exchange="{x2}", type="topic")]
one("exchange-bind", "exchange.bind", before=PAIR, destination="{x}", source="{x2}", routing_key="a.#")
one("exchange-bind-twice", "exchange.bind",
    before=PAIR + [("exchange.bind", {"destination": "{x}", "source": "{x2}"})], destination="{x}", source="{x2}")
one("exchange-bind-itself", "exchange.bind", before=PAIR, destination="{x}", source="{x}")
one("exchange-bind-missing-source", "exchange.bind", before=PAIR, destination="{x}", source="{x3}")
one("exchange-bind-missing-destination", "exchange.bind", before=PAIR, destination="{x3}", source="{x}")
one("exchange-bind-both-missing", "exchange.bind", destination="{x3}", source="{x}")
one("exchange-bind-default-source", "exchange.bind", before=PAIR, destination="{x}", source="")
one("exchange-bind-default-destination", "exchange.bind", before=PAIR, destination="", source="{x}")
one("exchange-bind-both-default", "exchange.bind", destination="", source="")
one("exchange-bind-internal", "exchange.bind", before=[declare(internal=True), declare(exchange="{x2}")],
    destination="{x2}", source="{x}")
one("exchange-bind-predeclared", "exchange.bind", before=[declare()], destination="{x}", source="amq.direct",
    routing_key="{x}")
one("exchange-bind-trace-as-destination", "exchange.bind", before=[declare()], destination="amq.rabbitmq.trace",
    source="{x}")
one("exchange-unbind", "exchange.unbind",
    before=PAIR + [("exchange.bind", {"destination": "{x}", "source": "{x2}"})], destination="{x}", source="{x2}")
one("exchange-unbind-not-bound", "exchange.unbind", before=PAIR, destination="{x}", source="{x2}")
one("exchange-unbind-missing-source", "exchange.unbind", before=PAIR, destination="{x}", source="{x3}")
one("exchange-unbind-missing-destination", "exchange.unbind", before=PAIR, destination="{x3}", source="{x}")
one("exchange-unbind-default-source", "exchange.unbind", before=PAIR, destination="{x}", source="")
one("exchange-unbind-default-destination", "exchange.unbind", before=PAIR, destination="", source="{x}")
one("exchange-bind-headers-bad-match", "exchange.bind",
    before=[declare(), declare(exchange="{x2}", type="headers")],
    destination="{x}", source="{x2}", arguments={"x-match": "some", "a": 1})
one("exchange-bind-headers-match-number", "exchange.bind",
    before=[declare(), declare(exchange="{x2}", type="headers")],
    destination="{x}", source="{x2}", arguments={"x-match": 1, "a": 1})

# Binding queues
HELD = [declare(), queue()]
HEADERS = [declare(type="headers"), queue()]
one("queue-bind", "queue.bind", before=HELD, queue="{q}", exchange="{x}", routing_key="k")
one("queue-bind-twice", "queue.bind", before=HELD + [("queue.bind", {"queue": "{q}", "exchange": "{x}"})],
    queue="{q}", exchange="{x}")
one("queue-bind-missing-exchange", "queue.bind", before=HELD, queue="{q}", exchange="{x2}")
one("queue-bind-missing-queue", "queue.bind", before=HELD, queue="{q2}", exchange="{x}")
one("queue-bind-both-missing", "queue.bind", queue="{q2}", exchange="{x2}")
one("queue-bind-default-exchange", "queue.bind", before=HELD, queue="{q}", exchange="", routing_key="other")
one("queue-bind-default-exchange-own-key", "queue.bind", before=HELD, queue="{q}", exchange="", routing_key="{q}")
one("queue-bind-default-exchange-missing-queue", "queue.bind", queue="{q}", exchange="", routing_key="{q}")
one("queue-bind-no-queue-named", "queue.bind", before=[declare()], queue="", exchange="{x}")
one("queue-bind-last-declared", "queue.bind", before=HELD, queue="", exchange="{x}", routing_key="k")
one("queue-bind-last-declared-no-key", "queue.bind", before=HELD, queue="", exchange="{x}")
one("queue-bind-internal", "queue.bind", before=[declare(internal=True), queue()], queue="{q}", exchange="{x}")
one("queue-bind-trace", "queue.bind", before=[queue()], queue="{q}", exchange="amq.rabbitmq.trace",
    routing_key="publish.{q}")
one("queue-bind-durable-to-transient", "queue.bind", before=[declare(), queue(durable=True)], queue="{q}",
    exchange="{x}")
one("queue-bind-transient-to-durable", "queue.bind", before=[declare(durable=True), queue()], queue="{q}",
    exchange="{x}")
one("queue-bind-exclusive-of-another", "queue.bind", before=[declare()],
    other=[queue(exclusive=True)], queue="{q}", exchange="{x}")
one("queue-bind-headers-bad-match", "queue.bind", before=HEADERS, queue="{q}", exchange="{x}",
    arguments={"x-match": "some"})
one("queue-bind-headers-match-number", "queue.bind", before=HEADERS, queue="{q}", exchange="{x}",
    arguments={"x-match": 1})
one("queue-bind-headers-no-match", "queue.bind", before=HEADERS, queue="{q}", exchange="{x}", arguments={"a": 1})
for word in ("all", "any", "all-with-x", "any-with-x"):
    one(f"queue-bind-headers-{word}", "queue.bind", before=HEADERS, queue="{q}", exchange="{x}",
        arguments={"x-match": word, "a": 1})
one("queue-unbind", "queue.unbind", before=HELD + [("queue.bind", {"queue": "{q}", "exchange": "{x}"})], queue="{q}",
    exchange="{x}")
one("queue-unbind-not-bound", "queue.unbind", before=HELD, queue="{q}", exchange="{x}")
one("queue-unbind-other-arguments", "queue.unbind",
    before=HELD + [("queue.bind", {"queue": "{q}", "exchange": "{x}"})], queue="{q}", exchange="{x}",
    arguments={"a": 1})
one("queue-unbind-missing-exchange", "queue.unbind", before=HELD, queue="{q}", exchange="{x2}")
one("queue-unbind-missing-queue", "queue.unbind", before=HELD, queue="{q2}", exchange="{x}")
one("queue-unbind-both-missing", "queue.unbind", queue="{q2}", exchange="{x2}")
one("queue-unbind-default-exchange", "queue.unbind", before=HELD, queue="{q}", exchange="", routing_key="{q}")
one("queue-unbind-no-queue-named", "queue.unbind", before=[declare()], queue="", exchange="{x}")
one("queue-unbind-exclusive-of-another", "queue.unbind", before=[declare()], other=[queue(exclusive=True)],
    queue="{q}", exchange="{x}")


def gone(trial, connection, exchange):
    """What a passive declare on a fresh channel says about an exchange."""
    connection.call("channel.open", 9)
    connection.send("exchange.declare", 9, exchange=trial.fill(exchange), passive=True)
    return connection.outcome(channel=9)


@case("exchange-auto-delete-after-last-unbind")
def auto_delete_exchange(trial):
    connection = trial.connect()
    trial.do(connection, [declare(auto_delete=True), queue(), ("queue.bind", {"queue": "{q}", "exchange": "{x}"}),
                          ("queue.unbind", {"queue": "{q}", "exchange": "{x}"})])
    return gone(trial, connection, "{x}")


@case("exchange-auto-delete-never-bound-stays")
def auto_delete_unbound(trial):
    connection = trial.connect()
    trial.do(connection, [declare(auto_delete=True)])
    return gone(trial, connection, "{x}")


@case("exchange-auto-delete-as-destination")
def auto_delete_destination(trial):
    connection = trial.connect()
    trial.do(connection, [declare(auto_delete=True), declare(exchange="{x2}"),
                          ("exchange.bind", {"destination": "{x}", "source": "{x2}"}),
                          ("exchange.unbind", {"destination": "{x}", "source": "{x2}"})])
    return gone(trial, connection, "{x}")


@case("exchange-auto-delete-when-queue-goes")
def auto_delete_with_queue(trial):
    connection = trial.connect()
    trial.do(connection, [declare(auto_delete=True), queue(), ("queue.bind", {"queue": "{q}", "exchange": "{x}"}),
                          ("queue.delete", {"queue": "{q}"})])
    return gone(trial, connection, "{x}")
