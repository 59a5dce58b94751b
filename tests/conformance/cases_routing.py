"""Where messages go: header matches, topics, CC, alternate exchanges, dead letters, order."""

from case import case
from wire import Typed

LATE = 2.0


def bound(connection, trial, kind, arguments=None, routing_key=""):
    """Exchange x of a type, queue q bound to it and consumed."""
    trial.do(connection, [("exchange.declare", {"exchange": "{x}", "type": kind}), ("queue.declare", {"queue": "{q}"}),
                          ("queue.bind", {"queue": "{q}", "exchange": "{x}", "routing_key": routing_key,
                                          "arguments": arguments or {}})])


def routed(connection, trial, **publish):
    """Whether a mandatory publish to x finds a queue."""
    connection.publish(exchange=trial.name("x"), mandatory=True, body=b"m", **publish)
    event = connection.outcome()[0]
    return "returned" if event.get("method") == "basic.return" else "routed" if event.get("tolerated") else event


BINDINGS = {
    "all": {"x-match": "all", "a": 1, "b": "two"},
    "any": {"x-match": "any", "a": 1, "b": "two"},
    "none-given": {"a": 1, "b": "two"},
    "empty-all": {"x-match": "all"},
    "empty-any": {"x-match": "any"},
    "x-ignored-all": {"x-match": "all", "x-a": 1, "b": "two"},
    "x-ignored-any": {"x-match": "any", "x-a": 1, "b": "two"},
    "all-with-x": {"x-match": "all-with-x", "x-a": 1, "b": "two"},
    "any-with-x": {"x-match": "any-with-x", "x-a": 1, "b": "two"},
    "void-means-present": {"x-match": "all", "a": None},
    "bool": {"x-match": "all", "a": True},
    "float": {"x-match": "all", "a": 1.0},
    "table": {"x-match": "all", "a": {"n": 1}},
    "long-integer": {"x-match": "all", "a": Typed("l", 1)},
}
MESSAGES = {
    "both": {"a": 1, "b": "two"}, "one": {"a": 1}, "more": {"a": 1, "b": "two", "c": 3}, "other": {"a": 2, "b": "two"},
    "long": {"a": Typed("l", 1), "b": "two"}, "byte": {"a": Typed("b", 1), "b": "two"}, "text": {"a": "1", "b": "two"},
    "void": {"a": None}, "true": {"a": True}, "float": {"a": 1.0}, "x": {"x-a": 1}, "x-both": {"x-a": 1, "b": "two"},
    "table": {"a": {"n": 1}}, "empty": {}, "absent": None,
}


def headers_case(name, arguments):
    @case(f"headers-exchange-{name}")
    def play(trial):
        connection = trial.connect()
        bound(connection, trial, "headers", arguments)
        return [{name: routed(connection, trial, headers=message)} for name, message in MESSAGES.items()]


for label, table in BINDINGS.items():
    headers_case(label, table)

PATTERNS = ["#", "*", "", "a", "a.*", "a.#", "*.b", "#.b", "a.*.c", "a.#.c", "#.b.#", "*.*", "#.#", "a..b", "*.#", "a.b.c",
            "a*", "#a", "a.*.#", ".", "A"]
KEYS = ["", "a", "b", "a.b", "a.b.c", "a.x.y.c", "a..b", "a.", ".a", "x.b", "x.y.b.z", ".", "a.c", "aa", "*", "#", "A"]


def topic_case(pattern):
    @case(f"topic-exchange-{pattern or 'empty'}")
    def play(trial):
        connection = trial.connect()
        bound(connection, trial, "topic", routing_key=pattern)
        keys = [key for key in KEYS if routed(connection, trial, routing_key=key) == "routed"]
        return [{"matches": keys}]


for word in PATTERNS:
    topic_case(word)


def drain(connection, queue, count):
    """`count` messages by basic.get."""
    events = []
    for _ in range(count):
        connection.send("basic.get", queue=queue, no_ack=True)
        events.append(connection.next())
    return events


@case("routing-cc-and-bcc")
def carbon_copies(trial):
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": name}) for name in ("{q}", "{q2}", "{q3}")])
    connection.publish(routing_key=trial.name("q"), body=b"m", message_id="id",
                       headers={"CC": [trial.name("q2")], "BCC": [trial.name("q3")], "kept": 1})
    connection.outcome()
    return [*drain(connection, trial.name("q"), 1), *drain(connection, trial.name("q2"), 1),
            *drain(connection, trial.name("q3"), 1)]


@case("routing-two-bindings-one-copy")
def one_copy(trial):
    connection = trial.connect()
    bound(connection, trial, "topic", routing_key="#")
    trial.do(connection, [("queue.bind", {"queue": "{q}", "exchange": "{x}", "routing_key": "a"})])
    connection.publish(exchange=trial.name("x"), routing_key="a", body=b"m")
    connection.outcome()
    return drain(connection, trial.name("q"), 2)


@case("routing-exchange-cycle")
def cycle(trial):
    connection = trial.connect()
    bound(connection, trial, "fanout")
    trial.do(connection, [("exchange.declare", {"exchange": "{x2}", "type": "fanout"}),
                          ("exchange.bind", {"destination": "{x2}", "source": "{x}"}),
                          ("exchange.bind", {"destination": "{x}", "source": "{x2}"})])
    connection.publish(exchange=trial.name("x2"), routing_key="k", body=b"m")
    connection.outcome()
    return drain(connection, trial.name("q"), 2)


@case("routing-alternate-exchange")
def alternate(trial):
    connection = trial.connect()
    trial.do(connection, [("exchange.declare", {"exchange": "{x}", "type": "direct",
                                                "arguments": {"alternate-exchange": "{x2}"}}),
                          ("exchange.declare", {"exchange": "{x2}", "type": "fanout"}),
                          ("queue.declare", {"queue": "{q}"}), ("queue.bind", {"queue": "{q}", "exchange": "{x2}"})])
    connection.publish(exchange=trial.name("x"), routing_key="nobody", body=b"m", mandatory=True)
    return [*connection.outcome(), *drain(connection, trial.name("q"), 1)]


@case("routing-alternate-missing")
def alternate_missing(trial):
    connection = trial.connect()
    trial.do(connection, [("exchange.declare", {"exchange": "{x}", "type": "direct",
                                                "arguments": {"alternate-exchange": "{x2}"}})])
    connection.publish(exchange=trial.name("x"), routing_key="nobody", body=b"m", mandatory=True)
    return connection.outcome()


def plain_deaths(events):
    """x-death without its times."""
    for event in events:
        headers = event.get("properties", {}).get("headers", [])
        for row in headers:
            if row[0] == "x-death":
                for entry in row[2]:
                    entry[1] = [item if item[0] != "time" else [item[0], item[1], 0] for item in entry[1]]
    return events


def dead_letter(name, arguments, act, **publish):
    @case(f"dead-letter-{name}")
    def play(trial):
        connection = trial.connect()
        trial.do(connection, [
            ("exchange.declare", {"exchange": "{x}", "type": "fanout"}), ("queue.declare", {"queue": "{q2}"}),
            ("queue.bind", {"queue": "{q2}", "exchange": "{x}"}),
            ("queue.declare", {"queue": "{q}", "arguments": {"x-dead-letter-exchange": "{x}", **arguments}})])
        connection.publish(routing_key=trial.name("q"), body=b"m", **publish)
        act(trial, connection)
        connection.send("basic.consume", queue=trial.name("q2"), consumer_tag="c", no_ack=True)
        connection.expect("basic.consume-ok")
        return plain_deaths(connection.outcome(fence=False, until="basic.deliver"))


def reject(trial, connection):
    connection.call("basic.get", queue=trial.name("q"))
    connection.send("basic.reject", delivery_tag=1, requeue=False)


def nothing(_trial, _connection):
    pass


def second(trial, connection):
    connection.publish(routing_key=trial.name("q"), body=b"second")


dead_letter("rejected", {}, reject, message_id="id", headers={"kept": 1}, expiration="60000")
dead_letter("expired-queue", {"x-message-ttl": 1}, nothing, delivery_mode=2)
dead_letter("expired-message", {}, nothing, expiration="1")
dead_letter("maxlen", {"x-max-length": 1}, second)
dead_letter("other-key", {"x-dead-letter-routing-key": "other"}, reject)
dead_letter("with-cc", {}, reject, headers={"CC": ["extra"], "BCC": ["secret"]})


@case("order-priority")
def priorities(trial):
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}", "arguments": {"x-max-priority": 5}})])
    for body, priority in ((b"none", None), (b"one", 1), (b"nine", 9), (b"five", 5), (b"zero", 0), (b"one more", 1)):
        connection.publish(routing_key=trial.name("q"), body=body, priority=priority)
    connection.outcome()
    return [{"body": event["body"], "properties": event["properties"]}
            for event in drain(connection, trial.name("q"), 6)]


@case("order-requeue")
def requeued(trial):
    """Requeued messages come back to their old places, marked redelivered."""
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}"})])
    for body in (b"1", b"2", b"3", b"4"):
        connection.publish(routing_key=trial.name("q"), body=body)
    connection.outcome()
    for _ in range(3):
        connection.call("basic.get", queue=trial.name("q"))
    connection.send("basic.nack", delivery_tag=3, requeue=True)
    connection.send("basic.nack", delivery_tag=1, requeue=True)
    connection.outcome()
    return [{"body": event["body"], "redelivered": event["redelivered"], "left": event["message_count"]}
            for event in drain(connection, trial.name("q"), 3)]


@case("expiration-zero-without-consumer")
def expiration_zero(trial):
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}"})])
    connection.publish(routing_key=trial.name("q"), body=b"m", expiration="0")
    connection.outcome()
    return drain(connection, trial.name("q"), 1)


@case("max-length-drops-head")
def drop_head(trial):
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}", "arguments": {"x-max-length": 2}})])
    for body in (b"1", b"2", b"3"):
        connection.publish(routing_key=trial.name("q"), body=body)
    connection.outcome()
    return [{"body": event.get("body"), "method": event["method"]} for event in drain(connection, trial.name("q"), 3)]


@case("max-length-reject-publish")
def reject_publish(trial):
    connection = trial.connect()
    trial.do(connection, [("confirm.select", {}), ("queue.declare", {
        "queue": "{q}", "arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}})])
    events = []
    for body in (b"1", b"2"):
        connection.publish(routing_key=trial.name("q"), body=body)
        events.append(connection.next())
    return [*events, *drain(connection, trial.name("q"), 2)]


@case("prefetch-per-consumer-and-channel")
def prefetch(trial):
    """Two consumers with one each; then a channel limit of three in all."""
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}"}), ("basic.qos", {"prefetch_count": 2})])
    for _ in range(6):
        connection.publish(routing_key=trial.name("q"), body=b"m")
    connection.outcome()
    for tag in ("a", "b"):
        connection.send("basic.consume", queue=trial.name("q"), consumer_tag=tag)
    tags = []
    while "silence" not in (event := connection.next(0.5)):
        tags.append(event["consumer_tag"] if event["method"] == "basic.deliver" else "consume-ok")
    return [{"a": tags.count("a"), "b": tags.count("b")}]


@case("prefetch-global")
def prefetch_global(trial):
    connection = trial.connect()
    trial.do(connection, [("queue.declare", {"queue": "{q}"}), ("basic.qos", {"prefetch_count": 3, "global": True})])
    for _ in range(6):
        connection.publish(routing_key=trial.name("q"), body=b"m")
    connection.outcome()
    for tag in ("a", "b"):
        connection.send("basic.consume", queue=trial.name("q"), consumer_tag=tag)
    delivered = 0
    while "silence" not in (event := connection.next(0.5)):
        delivered += event["method"] == "basic.deliver"
    return [{"delivered": delivered}]
