"""The state rabbitmqctl's outputs are compared in, and its removal.

Virtual host `conf-ctl` has one of everything: queues and exchanges of every
kind, arguments of every wire type, messages ready and unacknowledged,
consumers, names that need quoting; `conf-one` has exactly one of each thing,
for formats whose rows cannot be sorted; `conf-wide` a name beyond Latin letters.
Four connections stay open meanwhile.
"""

import prepare
from client import Connection
from wire import Typed

VHOST, ONE, WIDE, USER = "conf-ctl", "conf-one", "conf-wide", "conf-ctl-user"

NESTED = {"x-ha-policy": "all", "flag": True, "byte": Typed("b", -5), "octet": Typed("B", 200),
          "short": Typed("s", -300), "long": 2**40, "float": Typed("f", 0.5), "double": 1.5,
          "decimal": Typed("D", (2, 314)), "time": Typed("T", 1700000000), "nothing": None,
          "bytes": Typed("x", b"\x00\x01raw"), "text": "a \"quoted\", comma; tab\there", "empty-text": "",
          "table": {"a": 1, "b": [1, "two", {"c": True}]}, "empty-table": {}, "list": [1, "x"], "empty-list": []}
LIMITS = {"x-message-ttl": 60000, "x-expires": 1800000, "x-max-length": 100, "x-max-length-bytes": 100000,
          "x-max-priority": 5, "x-dead-letter-exchange": "x-fanout", "x-dead-letter-routing-key": "dead",
          "x-overflow": "reject-publish-dlx", "x-queue-mode": "lazy"}

QUEUES = [
    ("q-plain", {}), ("q-durable", {"durable": True}), ("q-exclusive", {"exclusive": True}),
    ("q-auto", {"auto_delete": True}), ("q-limits", {"durable": True, "arguments": LIMITS}),
    ("q-nested", {"arguments": NESTED}), ("q with space", {}), ("q,comma\"quote'", {}), ("q\\back", {}),
    ("q-single", {"arguments": {"x-single-active-consumer": True}}),
]
EXCHANGES = [
    ("x-direct", "direct", {}), ("x-fanout", "fanout", {"durable": True}), ("x-topic", "topic", {"auto_delete": True}),
    ("x-headers", "headers", {"internal": True}),
    ("x-alternate", "direct", {"durable": True, "arguments": {"alternate-exchange": "x-fanout", "other": [1, {"a": 2}]}}),
    ("x with space", "fanout", {}),
]
BINDINGS = [
    ("q-plain", "x-direct", "key", {}), ("q-plain", "x-fanout", "", {}), ("q-durable", "x-topic", "a.*.#", {}),
    ("q-plain", "x-headers", "", {"x-match": "any", "a": 1, "b": "two"}), ("q with space", "x with space", "k e y", {}),
]

SET_UP = [
    ["add_vhost", VHOST], ["add_vhost", ONE], ["add_vhost", WIDE], ["add_user", USER, "secret"],
    ["set_user_tags", USER, "monitoring", "policymaker"],
    ["set_permissions", "-p", VHOST, "guest", ".*", ".*", ".*"], ["set_permissions", "-p", ONE, "guest", ".*", ".*", ".*"],
    ["set_permissions", "-p", WIDE, "guest", ".*", ".*", ".*"],
    ["set_permissions", "-p", VHOST, USER, "^q", "^(x|q)", ""],
]
TEAR_DOWN = [["delete_vhost", ""], ["delete_vhost", VHOST], ["delete_vhost", ONE], ["delete_vhost", WIDE], ["delete_user", USER], ["delete_user", "conf-new"],
             ["delete_vhost", "conf-new"], ["delete_user", "lixiaohui"]]


class State:
    """Builds it, keeps the connections open, takes it away."""

    def __init__(self, port, ctl):
        self.port, self.ctl, self.connections = port, ctl, []

    def connect(self, name, **options):
        connection = Connection(self.port)
        self.connections.append(connection)
        return connection.opened(properties={"connection_name": name, "product": "conformance", "version": "1.0",
                                             "platform": "Python", "information": "a test's \"client\""}, **options)

    def build(self):
        tear_down(self.ctl)
        for args in SET_UP:
            prepare.must(self.ctl, *args)
        first = self.connect("conf-a", vhost=VHOST, channels=(1, 2, 3), heartbeat=600)
        self.declare(first)
        self.fill(first)
        self.consume(first)
        self.single()
        self.second = self.connect("conf-b", vhost=VHOST, user=USER, password="secret", heartbeat=0, frame_max=4096,
                                   channel_max=10)
        self.connect("conf-wide", vhost=WIDE, channels=(1,), heartbeat=0).call("queue.declare", queue="q-ünïcode-✓")
        self.openstack()

    def declare(self, connection):
        for name, args in QUEUES:
            connection.call("queue.declare", queue=name, **args)
        for name, kind, args in EXCHANGES:
            connection.call("exchange.declare", exchange=name, type=kind, **args)
        for queue, exchange, key, arguments in BINDINGS:
            connection.call("queue.bind", queue=queue, exchange=exchange, routing_key=key, arguments=arguments)
        connection.call("exchange.bind", destination="x-fanout", source="x-direct", routing_key="to-exchange")

    def fill(self, connection):
        """3 persistent in q-durable, 5 transient in q-plain of which 2 are held unacknowledged."""
        connection.call("tx.select", 2)
        for _ in range(3):
            connection.publish(routing_key="q-durable", body=b"0123456789", channel=2, delivery_mode=2)
        for _ in range(5):
            connection.publish(routing_key="q-plain", body=b"01234", channel=2)
        connection.call("tx.commit", 2)
        for _ in range(2):
            connection.call("basic.get", 3, queue="q-plain")
        connection.publish(routing_key="q-plain", body=b"not committed", channel=2)

    def consume(self, connection):
        connection.call("confirm.select", 1)
        connection.call("basic.qos", 1, prefetch_count=10)
        connection.call("basic.consume", 1, queue="q-auto", consumer_tag="tag-plain")
        connection.call("basic.consume", 1, queue="q-exclusive", consumer_tag="tag-exclusive", exclusive=True,
                        no_ack=True)
        connection.call("basic.consume", 1, queue="q-limits", consumer_tag="tag-args",
                        arguments={"x-priority": 5, "nested": {"a": [1, True]}, "text": "a b"})
        connection.call("basic.qos", 3, prefetch_count=7, **{"global": True})
        connection.call("basic.consume", 3, queue="q-single", consumer_tag="active")
        connection.call("basic.consume", 3, queue="q-single", consumer_tag="waiting")

    def single(self):
        """Virtual host conf-one: one queue, one binding of its own, one consumer."""
        connection = self.connect("conf-one", vhost=ONE, channels=(1,), heartbeat=0)
        connection.call("queue.declare", queue="only", durable=True, arguments={**LIMITS, **NESTED})
        connection.call("basic.consume", queue="only", consumer_tag="c", arguments={"x-priority": 1, "t": {"u": [1]}})

    def openstack(self):
        """In `/`, what an OpenStack controller has, as in the transcripts operators know."""
        connection = self.connect("conf-os", channels=(1,), heartbeat=0)
        for name in ("heat-engine-listener_fanout", "manila-share_fanout"):
            connection.call("exchange.declare", exchange=name, type="fanout", auto_delete=True)
        connection.call("queue.declare", queue="compute.compute1.overcloud.example.com", exclusive=True)
        connection.call("queue.declare", queue="compute.computehci0.overcloud.example.com", exclusive=True)
        connection.call("queue.declare", queue="manila-scheduler.hostgroup", exclusive=True)
        connection.call("queue.bind", queue="manila-scheduler.hostgroup", exchange="manila-share_fanout")
        connection.call("queue.bind", queue="manila-scheduler.hostgroup", exchange="heat-engine-listener_fanout")
        connection.call("basic.consume", queue="compute.compute1.overcloud.example.com", consumer_tag="2")

    def remove(self):
        for connection in self.connections:
            connection.close()
        tear_down(self.ctl)


def tear_down(ctl):
    for args in TEAR_DOWN:
        prepare.run(ctl, *args)
