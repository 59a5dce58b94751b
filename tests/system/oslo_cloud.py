"""A cloud in small, under any Python that has an oslo.messaging: two servers of a topic and a client in one process.

oslo_cloud.py URL TOPIC [OPTION=VALUE ...]: options of [oslo_messaging_rabbit].
Prints one JSON object: the version, and of call, cast, fanout and notification "ok" or what went wrong.
"""
import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
from importlib.metadata import version

import oslo_messaging
from oslo_concurrency import lockutils
from oslo_config import cfg

SECONDS = 8
# Of a publish; each address that does not listen costs one.
RETRIES = 4
# The reasons that oslo.messaging only logs while it tries again, last first.
REASONS = []


class Reasons(logging.Handler):
    """Keeps what the driver complains of."""

    def emit(self, record):
        REASONS.insert(0, record.getMessage())


class Endpoint:
    """What each server offers; it also takes notifications."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, seen):
        self.seen = seen

    def add(self, _context, a, b):
        """An ordinary call."""
        return a + b

    def remember(self, _context, text):
        """A cast."""
        self.seen.append(text)

    def info(self, _context, _publisher, event, _payload, _metadata):
        """A notification."""
        self.seen.append(event)


def configuration(url, options):
    """oslo.config with the driver's options set, as a service's file would."""
    conf = cfg.CONF
    conf([])
    # Where use_queue_manager counts a host's queues.
    lockutils.set_defaults(tempfile.mkdtemp(prefix="oslo-cloud-"))
    # Registers the driver's options; connects to nobody yet.
    oslo_messaging.get_rpc_transport(conf, url=url)
    for option in options:
        name, _, value = option.partition("=")
        # set_override converts as a configuration file's text is converted.
        conf.set_override(name, value, "oslo_messaging_rabbit")
    return conf


def attempt(what):
    """ "ok", or the reason why not."""
    try:
        what()
    except Exception as problem:  # whatever a client says is the answer
        refused = [reason for reason in REASONS if re.search(r"\((?:4|5)\d\d\)", reason)]
        return (refused or [f"{type(problem).__name__}: {problem}"])[0][:300]
    return "ok"


def seen_by(expected, *lists):
    """Waits until all of these lists together have the expected words."""
    end = time.monotonic() + SECONDS
    while sorted(word for seen in lists for word in seen) != sorted(expected):
        if time.monotonic() > end:
            raise TimeoutError(f"expected {expected}, seen {lists}")
        time.sleep(0.05)
    for seen in lists:
        seen.clear()


def starts(server):
    """Starts a server or listener; not from here, for where it is refused it tries again for ever."""
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    thread.join(SECONDS)


def main():
    """Tries all four kinds of message."""
    url, topic, *options = sys.argv[1:]
    logging.getLogger("oslo.messaging").addHandler(Reasons())
    logging.getLogger("oslo_messaging").addHandler(Reasons())
    conf = configuration(url, options)
    oslo_messaging.set_transport_defaults(topic)
    transport = oslo_messaging.get_rpc_transport(conf, url=url)
    one, two = [], []
    servers = [oslo_messaging.get_rpc_server(transport, oslo_messaging.Target(exchange=topic, topic=topic, server=name), [Endpoint(seen)],
                                             executor="threading") for name, seen in (("one", one), ("two", two))]
    make = getattr(oslo_messaging, "get_rpc_client", None) or oslo_messaging.RPCClient
    client = make(transport, oslo_messaging.Target(exchange=topic, topic=topic, version="1.0"), timeout=SECONDS, retry=RETRIES)
    said = {"version": version("oslo.messaging")}
    for server in servers:
        starts(server)

    def call():
        assert [client.call({}, "add", a=n, b=1) for n in range(10)] == list(range(1, 11))

    def cast():
        client.cast({}, "remember", text="once")
        seen_by(["once"], one, two)

    def fanout():
        client.prepare(fanout=True).cast({}, "remember", text="to all")
        seen_by(["to all", "to all"], one, two)

    def notify():
        sender = oslo_messaging.get_notification_transport(conf, url=url)
        notifier = oslo_messaging.Notifier(sender, publisher_id="p", driver="messaging", topics=[f"{topic}-note"], retry=RETRIES)
        notifier.info({}, "instance.create", {})
        notes = []
        starts(oslo_messaging.get_notification_listener(
            sender, [oslo_messaging.Target(topic=f"{topic}-note")], [Endpoint(notes)], executor="threading"))
        seen_by(["instance.create"], notes)

    said |= {what.__name__: attempt(what) for what in (call, cast, fanout, notify)}
    print(json.dumps(said), flush=True)
    # Threads that try again for ever are no reason to stay.
    os._exit(0)


if __name__ == "__main__":
    main()
