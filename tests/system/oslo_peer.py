"""An OpenStack service in small: an unmodified oslo.messaging server or notification
listener in a process of its own, as a real one is.

oslo_peer.py server|listener URL TOPIC HOST OUT
Writes one JSON line to OUT for every event; ends on SIGTERM.
"""
import json
import signal
import sys
import threading

import oslo_messaging
from oslo_config import cfg


class Endpoint:
    """What the RPC server offers."""

    target = oslo_messaging.Target(version="1.0")

    def __init__(self, host, note):
        self.host, self.note = host, note

    def add(self, _context, a, b):
        """An ordinary call."""
        return a + b

    def fail(self, _context, why):
        """A call that raises here and is raised at the caller."""
        raise ValueError(why)

    def sleep(self, _context, seconds):
        """A call that takes longer than the caller may wait."""
        threading.Event().wait(seconds)
        return "late"

    def echo(self, _context, text):
        """A call with a body of any size."""
        return text

    def remember(self, _context, text):
        """A cast."""
        self.note({"cast": text, "host": self.host})


class Listener:
    """Takes notifications."""

    def __init__(self, note):
        self.note = note

    def info(self, _context, publisher_id, event_type, payload, _metadata):
        """Priority info."""
        self.note({"priority": "info", "publisher": publisher_id, "event": event_type, "payload": payload})

    def error(self, _context, publisher_id, event_type, payload, _metadata):
        """Priority error."""
        self.note({"priority": "error", "publisher": publisher_id, "event": event_type, "payload": payload})


def main():
    """Serves until SIGTERM."""
    kind, url, topic, host, out = sys.argv[1:]
    lock = threading.Lock()

    def note(event):
        with lock, open(out, "a") as file:
            file.write(json.dumps(event) + "\n")

    conf = cfg.CONF
    conf([])
    if kind == "server":
        transport = oslo_messaging.get_rpc_transport(conf, url=url)
        server = oslo_messaging.get_rpc_server(transport, oslo_messaging.Target(topic=topic, server=host),
                                               [Endpoint(host, note)], executor="threading")
    else:
        transport = oslo_messaging.get_notification_transport(conf, url=url)
        server = oslo_messaging.get_notification_listener(
            transport, [oslo_messaging.Target(topic=topic)], [Listener(note)], executor="threading")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server.start()
    note({"ready": host})
    stop.wait()
    server.stop()
    server.wait()
    transport.cleanup()


if __name__ == "__main__":
    main()
