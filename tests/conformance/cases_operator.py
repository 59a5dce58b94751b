"""What clients see of what the operator does: the firehose, alarms, topic permissions."""

from case import case
from wire import Typed

SPY = "conf-trace"


def traced(name, *publishes, consume=True):
    """In a vhost of its own: tracing on, some publishes (exchange, key, properties), what the tracer saw."""
    @case(f"trace-{name}", alone=True)
    def play(trial):
        vhost = f"{SPY}-{name}"
        trial.ctl_run("add_vhost", vhost)
        try:
            trial.ctl_run("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
            return watch(trial, vhost, publishes, consume)
        finally:
            trial.ctl_run("delete_vhost", vhost)


def watch(trial, vhost, publishes, consume):
    spy, client = trial.connect(vhost=vhost), trial.connect(vhost=vhost)
    spy.call("queue.declare", queue="spy", exclusive=True)
    spy.call("queue.bind", queue="spy", exchange="amq.rabbitmq.trace", routing_key="#")
    spy.call("basic.consume", queue="spy", no_ack=True)
    client.call("queue.declare", queue="q")
    client.call("queue.declare", queue="q2")
    client.call("queue.bind", queue="q", exchange="amq.topic", routing_key="a.#")
    client.call("queue.bind", queue="q2", exchange="amq.topic", routing_key="#")
    trial.ctl_run("trace_on", "-p", vhost)
    for publish in publishes:
        client.publish(body=b"body", **publish)
    client.outcome(patience=1.0)
    if consume:
        client.call("basic.get", queue="q", no_ack=True)
        client.call("basic.consume", queue="q2", no_ack=True, consumer_tag="c")
    events = []
    while "silence" not in (event := spy.next(0.7)):
        event.pop("delivery_tag")
        events.append(event)
    trial.ctl_run("trace_off", "-p", vhost)
    client.publish(routing_key="q", body=b"untraced")
    trial.vhost, trial.made = "/", set()
    return sorted(events, key=lambda event: (event["routing_key"], str(event))) + [spy.next(0.3)]


ALL = {"content_type": "text/plain", "content_encoding": "utf-8", "delivery_mode": 2, "priority": 3,
       "correlation_id": "ci", "reply_to": "rt", "expiration": "60000", "message_id": "mi", "timestamp": 1234567890,
       "type": "ty", "user_id": "guest", "app_id": "ai", "cluster_id": "cl",
       "headers": {"n": 1, "s": "text", "a": [1, "x"], "t": {"u": True}, "v": None, "d": 1.5, "l": 2**40,
                   "T": Typed("T", 5), "b": Typed("x", b"raw"), "D": Typed("D", (1, 5)), "f": Typed("f", 0.5)}}
traced("default-exchange", {"routing_key": "q"})
traced("topic-two-queues", {"exchange": "amq.topic", "routing_key": "a.b"})
traced("all-properties", {"exchange": "amq.topic", "routing_key": "a.b", **ALL})
traced("unroutable", {"routing_key": "nobody"}, consume=False)
traced("unroutable-mandatory", {"routing_key": "nobody", "mandatory": True}, consume=False)
traced("unroutable-topic", {"exchange": "amq.direct", "routing_key": "nobody"}, consume=False)
traced("cc", {"routing_key": "q", "headers": {"CC": ["q2"]}})


@case("trace-redelivered", alone=True)
def redelivered(trial):
    vhost = f"{SPY}-redelivered"
    trial.ctl_run("add_vhost", vhost)
    try:
        trial.ctl_run("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        spy, client = trial.connect(vhost=vhost), trial.connect(vhost=vhost)
        spy.call("queue.declare", queue="spy", exclusive=True)
        spy.call("queue.bind", queue="spy", exchange="amq.rabbitmq.trace", routing_key="deliver.#")
        client.call("queue.declare", queue="q")
        client.publish(routing_key="q", body=b"m")
        client.outcome()
        trial.ctl_run("trace_on", "-p", vhost)
        for tag in (1, 2):
            client.call("basic.get", queue="q")
            client.send("basic.reject", delivery_tag=tag, requeue=True)
        client.outcome()
        spy.call("basic.consume", queue="spy", no_ack=True)
        events = []
        while "silence" not in (event := spy.next(0.7)):
            events.append(event)
        trial.vhost = "/"
        return events
    finally:
        trial.ctl_run("delete_vhost", vhost)


def alarmed(name, raise_it, clear_it):
    @case(f"alarm-{name}", alone=True, needs=(raise_it[0],))
    def play(trial):
        """Publishers are told and held; others go on; everything flows again afterwards."""
        publisher, consumer = trial.connect(), trial.connect()
        trial.do(consumer, [("queue.declare", {"queue": "{q}"})])
        trial.ctl_run(*raise_it)
        try:
            publisher.publish(routing_key=trial.name("q"), body=b"m")
            events = [publisher.next()]
            publisher.send("channel.flow", active=True)
            events.append(publisher.next(0.5))
            late = trial.connect()
            late.publish(routing_key=trial.name("q"), body=b"m")
            events += [late.next(), *consumer.outcome()]
        finally:
            trial.ctl_run(*clear_it)
        return [*events, publisher.next(), publisher.next(), late.next()]


alarmed("memory", ["set_vm_memory_high_watermark", "0.000001"], ["set_vm_memory_high_watermark", "0.4"])
alarmed("disk", ["set_disk_free_limit", "900000GB"], ["set_disk_free_limit", "50MB"])


@case("alarm-not-capable", alone=True, needs=("set_vm_memory_high_watermark",))
def not_capable(trial):
    """A client that did not state connection.blocked is held without a word."""
    publisher = trial.connect(capabilities={})
    trial.ctl_run("set_vm_memory_high_watermark", "0.000001")
    try:
        publisher.publish(routing_key="nobody", body=b"m")
        held = publisher.next(0.5)
    finally:
        trial.ctl_run("set_vm_memory_high_watermark", "0.4")
    return [held, *publisher.outcome()]


@case("access-topic-permissions", alone=True, needs=("set_topic_permissions",))
def topic_permissions(trial):
    trial.ctl_run("add_user", "conf-topic", "secret")
    try:
        trial.ctl_run("set_permissions", "conf-topic", ".*", ".*", ".*")
        trial.ctl_run("set_topic_permissions", "conf-topic", "amq.topic", "^ok", "^ok")
        events = []
        for method, args in (("publish", {"exchange": "amq.topic", "routing_key": "no"}),
                             ("publish", {"exchange": "amq.topic", "routing_key": "ok.a"}),
                             ("queue.bind", {"queue": "{q}", "exchange": "amq.topic", "routing_key": "no"}),
                             ("queue.bind", {"queue": "{q}", "exchange": "amq.topic", "routing_key": "ok.a"})):
            connection = trial.connect(user="conf-topic", password="secret")
            trial.do(connection, [("queue.declare", {"queue": "{q}"})])
            filled = {key: trial.fill(value) for key, value in args.items()}
            if method == "publish":
                connection.publish(**filled)
            else:
                connection.send(method, **filled)
            events += connection.outcome()
        return events
    finally:
        trial.ctl_run("delete_user", "conf-topic")
