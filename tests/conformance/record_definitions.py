"""Writes down what `rabbitmqctl export_definitions` makes of something of everything: `record_definitions.py --port 5673 --ctl PATH`.

Writes tests/recorded/definitions.json, which crates/aileron/src/ctl/server/definitions reads and writes again.
The broker has to be new: everything defined on it is in the file.
"""

import argparse
import json
import os
import pathlib

import ctl_state
import prepare
from client import Connection

TARGET = pathlib.Path(__file__).parent.parent / "recorded" / "definitions.json"
VHOST = "v1"
SET_UP = [
    ["add_vhost", VHOST, "--description", "a vhost", "--tags", "a,b"],
    ["add_user", "u1", "secret"], ["set_user_tags", "u1", "administrator", "monitoring"],
    ["add_user", "u2", ""], ["set_permissions", "-p", VHOST, "u1", "a.*", 'b"', ""],
]
TEAR_DOWN = [["delete_user", "u1"], ["delete_user", "u2"], ["delete_vhost", VHOST]]
BINDINGS = [("q-durable", "x-fanout", "", {}), ("q-durable", "amq.direct", "k", {"a": 1}),
            ("q-durable", "amq.headers", "", {"x-match": "any", "a": 1, "b": "two"}), ("q-plain", "x-direct", "key", {})]
# What RabbitMQ writes otherwise than it was sent: control characters, and decimals.
NESTED = {name: value for name, value in ctl_state.NESTED.items() if name not in ("bytes", "decimal", "nothing")}


def declare(connection):
    """Queues and exchanges of every kind that is exported, with arguments of every type that JSON holds."""
    for name, args in ctl_state.QUEUES:
        arguments = NESTED if name == "q-nested" else args.get("arguments", {})
        connection.call("queue.declare", queue=name, **{**args, "arguments": arguments})
    for name, kind, args in ctl_state.EXCHANGES:
        connection.call("exchange.declare", exchange=name, type=kind, **args)
    for queue, exchange, key, arguments in BINDINGS:
        connection.call("queue.bind", queue=queue, exchange=exchange, routing_key=key, arguments=arguments)
    connection.call("exchange.bind", destination="x-alternate", source="x-fanout", routing_key="to-exchange")


def remove(connection):
    for name, _ in ctl_state.QUEUES:
        connection.call("queue.delete", queue=name)
    for name, _, _ in ctl_state.EXCHANGES:
        connection.call("exchange.delete", exchange=name)


def in_order(value):
    """Lists of objects in an order of their own: RabbitMQ promises none."""
    return {key: sorted(item, key=json.dumps) if isinstance(item, list) else item for key, item in value.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("AMQP_PORT", "5672")))
    parser.add_argument("--ctl", default=os.environ.get("CTL", "rabbitmqctl"))
    options = parser.parse_args()
    for args in SET_UP:
        prepare.must(options.ctl, *args)
    connection = Connection(options.port).opened(vhost="/", channels=(1,))
    try:
        declare(connection)
        exported = json.loads(prepare.must(options.ctl, "export_definitions", "-"))
        TARGET.write_text(json.dumps(in_order(exported), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    finally:
        remove(connection)
        connection.close()
        for args in TEAR_DOWN:
            prepare.run(options.ctl, *args)


if __name__ == "__main__":
    main()
