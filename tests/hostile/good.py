"""The good client beside the faults: publishes with confirms, consumes what it published, and keeps account."""
import statistics
import threading
import time

import pika

QUEUES = [f"good-{number}" for number in range(3)]
# Longer than any fault, shorter than the steps of the clock: a message that a step made old would be missing.
EXPIRATION = str(20 * 60 * 1000)
PAUSE = 0.005


class Good:
    """A publisher and a consumer, each a thread with a connection of its own that it opens again when it must."""

    def __init__(self, broker, finding):
        self.broker, self.finding = broker, finding
        self.number, self.confirmed, self.seen = 0, set(), set()
        # How long what was sent then took: until its confirm, which waits for the disk, and until it was here.
        self.took = {"confirm": [], "delivery": []}
        self.no_more, self.over = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self.work, args=work, daemon=True)
                        for work in ((self.consume, self.over), (self.publish, self.no_more))]
        with broker.connect() as connection:
            for queue in QUEUES:
                connection.channel().queue_declare(queue, durable=True)
        for thread in self.threads:
            thread.start()

    def work(self, what, over):
        """Does it again after a loss of the connection, which none of the faults is a reason for."""
        told = None
        while not over.is_set():
            try:
                with self.broker.connect(heartbeat=20) as connection:
                    what(connection)
            except Exception as error:  # whatever it was, it is told, but not each time that it tries again
                if repr(error) != told:
                    told = repr(error)
                    self.finding(f"the good client's {what.__name__} failed: {told}")
                over.wait(0.5)

    def publish(self, connection):
        """One message at a time, its number as its body."""
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=2, expiration=EXPIRATION)
        while not self.no_more.is_set():
            self.number = number = self.number + 1
            sent_at = time.monotonic()
            channel.basic_publish("", QUEUES[number % len(QUEUES)], f"{number} {sent_at}".encode(), properties)
            self.confirmed.add(number)
            self.took["confirm"].append((sent_at, time.monotonic() - sent_at))
            self.no_more.wait(PAUSE)

    def consume(self, connection):
        """Acknowledges each, when it is in the account."""
        channel = connection.channel()
        channel.basic_qos(prefetch_count=50)
        for queue in QUEUES:
            channel.basic_consume(queue, self.take)
        while not self.over.is_set():
            connection.process_data_events(0.2)

    def take(self, channel, method, _properties, body):
        """A message came."""
        number, sent_at = body.split()
        number, sent_at = int(number), float(sent_at)
        if number in self.seen and not method.redelivered:
            self.finding(f"message {number} came twice, the second time not marked as redelivered")
        if number not in self.seen:
            self.took["delivery"].append((sent_at, time.monotonic() - sent_at))
        self.seen.add(number)
        channel.basic_ack(method.delivery_tag)

    def between(self, what, begin, end):
        """What those took that were sent in that time, in seconds."""
        return [took for sent_at, took in self.took[what].copy() if begin <= sent_at < end]

    def medians(self, begin, end):
        """What is usual in that time, of each kind; infinite where nothing got through."""
        found = {what: self.between(what, begin, end) for what in self.took}
        return {what: statistics.median(took) if took else float("inf") for what, took in found.items()}

    def worst(self, begin, end):
        """The longest in that time, of each kind."""
        return {what: max(self.between(what, begin, end), default=float("inf")) for what in self.took}

    def missing(self):
        """Numbers that were confirmed and have not come."""
        return sorted(self.confirmed.copy() - self.seen.copy())

    def finish(self, seconds=60):
        """Publishes no more, waits for the rest, tells what is missing, and takes its queues away."""
        self.no_more.set()
        self.threads[1].join(seconds)
        end = time.monotonic() + seconds
        while self.missing() and time.monotonic() < end:
            time.sleep(0.1)
        self.over.set()
        self.threads[0].join(seconds)
        if missing := self.missing():
            self.finding(f"{len(missing)} confirmed messages never came, the first is {missing[0]}")
        with self.broker.connect() as connection:
            for queue in QUEUES:
                connection.channel().queue_delete(queue)
