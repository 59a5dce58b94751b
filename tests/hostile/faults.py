"""The faults. Each draws its parameters from the seed when it is made, and leaves nobody behind when it has run.

`world` is where it happens: world.broker, world.clock and world.disk (None where there is none), world.finding(text).
"""
import contextlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pika import spec
from raw import HEADER, Closed, Raw, fill, fill_over, plain_frame, publish_frames, until


class Fault:
    """What all have in common."""

    def __init__(self, seed):
        self.draw(random.Random(seed))

    @property
    def queue(self):
        """Its own, should another run at the same time."""
        return f"hostile-{type(self).__name__}"

    def __str__(self):
        drawn = {key: round(value, 2) if isinstance(value, float) else value for key, value in vars(self).items()}
        return f"{type(self).__name__} " + ", ".join(f"{key} {value}" for key, value in drawn.items())

    def possible(self, world):
        """False where the machine cannot do it."""
        return True


@contextlib.contextmanager
def declared(world, queue, durable=True):
    """A queue for as long as the fault lasts."""
    with world.broker.connect() as connection:
        connection.channel().queue_declare(queue, durable=durable)
    try:
        yield
    finally:
        with world.broker.connect() as connection:
            connection.channel().queue_delete(queue)


def waiting(world, queue, state):
    """How many messages of a queue are ready, or unacknowledged."""
    return int(dict(world.broker.rows("list_queues", "name", f"messages_{state}"))[queue])


def swallow(raw, seconds):
    """Reads whatever comes, and looks at none of it."""
    raw.socket.settimeout(0.5)
    end = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError, ConnectionError):
        while time.monotonic() < end and raw.socket.recv(1 << 20):
            pass


class Garbage(Fault):
    """Noise, before the protocol header, among frames, and frames with wrong bits."""

    def draw(self, rng):
        self.clients, self.size, self.noise = rng.randrange(10, 40), rng.randrange(10, 20_000), rng.getrandbits(32)

    def run(self, world):
        rng = random.Random(self.noise)
        for number in range(self.clients):
            with contextlib.suppress(OSError, Closed), Raw(world.broker, open_now=number % 3 != 0) as raw:
                if number % 3 == 1:
                    raw.channel()
                    kind = rng.choice([1, 2, 3, 8, rng.randrange(256)])
                    raw.send(plain_frame(kind, rng.randrange(3), rng.randbytes(self.size)))
                elif number % 3 == 2:
                    raw.channel()
                    frames = bytearray(publish_frames(1, "", "nobody", b"x" * 500) * 3)
                    for _ in range(rng.randrange(1, 5)):
                        frames[rng.randrange(len(frames))] ^= 1 << rng.randrange(8)
                    raw.send(frames)
                else:
                    raw.send(rng.randbytes(self.size))
                swallow(raw, 0.2)


class SlowReaders(Fault):
    """They consume, and never read."""

    def draw(self, rng):
        self.clients, self.no_ack = rng.randrange(1, 20), rng.random() < 0.5
        self.messages, self.size, self.seconds = rng.randrange(2000, 10_000), rng.randrange(100, 10_000), rng.uniform(1, 4)

    def run(self, world):
        with declared(world, self.queue), contextlib.ExitStack() as stack:
            for _ in range(self.clients):
                raw = stack.enter_context(Raw(world.broker))
                raw.channel()
                raw.call(1, spec.Basic.Consume(queue=self.queue, no_ack=self.no_ack), spec.Basic.ConsumeOk)
            fill(world.broker, self.queue, self.messages, self.size)
            time.sleep(self.seconds)


class Flood(Fault):
    """Many publish as much as goes, without confirms."""

    def draw(self, rng):
        self.clients, self.size = rng.randrange(1, 8), rng.choice([10, 1000, 100_000])
        self.durable, self.seconds = rng.random() < 0.5, rng.uniform(1, 4)

    def run(self, world):
        chunk = publish_frames(1, "", self.queue, b"x" * self.size, delivery_mode=2 if self.durable else 1)
        chunk *= max(1, 100_000 // len(chunk))

        def flood(bytes_left):
            with contextlib.suppress(OSError), Raw(world.broker) as raw:
                raw.channel()
                end = time.monotonic() + self.seconds
                while time.monotonic() < end and bytes_left > 0:
                    raw.send(chunk)
                    bytes_left -= len(chunk)

        with declared(world, self.queue, self.durable):
            # No more than half a gigabyte: the disk is small.
            threads = [threading.Thread(target=flood, args=((512 << 20) // self.clients,)) for _ in range(self.clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()


class Hoarder(Fault):
    """Takes everything under a huge prefetch, acknowledges nothing, and vanishes: everything is there again."""

    def draw(self, rng):
        self.messages, self.size = rng.randrange(10_000, 100_000), rng.randrange(10, 2000)
        self.prefetch = rng.choice([0, 65_535])

    def run(self, world):
        with declared(world, self.queue):
            fill(world.broker, self.queue, self.messages, self.size)
            raw = Raw(world.broker)
            raw.channel()
            raw.call(1, spec.Basic.Qos(prefetch_count=self.prefetch), spec.Basic.QosOk)
            raw.method(1, spec.Basic.Consume(queue=self.queue))
            held = min(self.messages, self.prefetch or self.messages)
            until(lambda: swallow(raw, 1) or waiting(world, self.queue, "unacknowledged") == held)
            raw.reset()
            try:
                until(lambda: waiting(world, self.queue, "ready") == self.messages)
            except AssertionError:
                back = waiting(world, self.queue, "ready")
                world.finding(f"{back} of {self.messages} messages came back from a client that vanished")


class Descriptors(Fault):
    """Clients take every descriptor that the broker may have; one who was there before fills files that have to be made."""

    def draw(self, rng):
        self.seconds, self.messages = rng.uniform(1, 5), rng.randrange(500, 3000)

    def run(self, world):
        taken = []
        with declared(world, self.queue), Raw(world.broker, seconds=60) as early:
            try:
                for _ in range(world.descriptors + 100):
                    taken.append(socket.create_connection(("127.0.0.1", world.broker.port), 2))
                    with contextlib.suppress(OSError):
                        taken[-1].sendall(HEADER)
            except TimeoutError:
                pass  # nobody is let in any more
            try:
                time.sleep(self.seconds)
                fill_over(early, self.queue, self.messages, 100_000)
            except AssertionError as refused:
                world.finding(f"with all descriptors taken, a client that was there before was refused: {refused}")
            finally:
                for one in taken:
                    one.close()


class WallClock(Fault):
    """The wall clock is set, and later set right."""

    def draw(self, rng):
        self.steps = [rng.choice([61, 3600, -3600, 86_400, -61, rng.randrange(-10_000, 10_000)]) for _ in range(3)]
        self.seconds = rng.uniform(0.2, 2)

    def possible(self, world):
        return world.clock is not None

    def run(self, world):
        try:
            for step in self.steps:
                world.clock.step(step)
                time.sleep(self.seconds)
        finally:
            world.clock.step(-world.clock.ahead)


class BrokerPaused(Fault):
    """SIGSTOP to the broker, shorter than heartbeats allow."""

    def draw(self, rng):
        self.seconds = rng.uniform(0.5, 5)

    def run(self, world):
        process = world.broker.own_process()
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.seconds)
        finally:
            process.send_signal(signal.SIGCONT)


class ClientsPaused(Fault):
    """Busy clients are stopped, for longer than their heartbeats allow or not, and killed."""

    def draw(self, rng):
        self.clients, self.seconds, self.resumed = rng.randrange(1, 5), rng.uniform(1, 8), rng.random() < 0.5

    def run(self, world):
        program = Path(__file__).with_name("visitor.py")
        visitors = [subprocess.Popen([sys.executable, program, str(world.broker.port), f"{self.queue}-{number}"],
                                     stderr=subprocess.DEVNULL) for number in range(self.clients)]
        try:
            time.sleep(2)
            for visitor in visitors:
                visitor.send_signal(signal.SIGSTOP)
            time.sleep(self.seconds)
            if self.resumed:
                for visitor in visitors:
                    visitor.send_signal(signal.SIGCONT)
                time.sleep(1)
        finally:
            for visitor in visitors:
                visitor.kill()
                visitor.wait()


class DiskStalls(Fault):
    """The disk takes nothing for seconds."""

    def draw(self, rng):
        self.seconds = rng.uniform(0.5, 4)

    def possible(self, world):
        return world.disk is not None

    def run(self, world):
        world.disk.stall(self.seconds)


KINDS = [Garbage, SlowReaders, Flood, Hoarder, Descriptors, WallClock, BrokerPaused, ClientsPaused, DiskStalls]


class Together(Fault):
    """Two of the others at the same time; not with Descriptors, which lets nobody else in."""

    def draw(self, rng):
        kinds = rng.sample([kind for kind in KINDS if kind is not Descriptors], 2)
        self.faults = [kind(rng.getrandbits(64)) for kind in kinds]

    def __str__(self):
        return " + ".join(map(str, self.faults))

    def possible(self, world):
        return all(fault.possible(world) for fault in self.faults)

    def run(self, world):
        with ThreadPoolExecutor() as pool:
            for ran in [pool.submit(fault.run, world) for fault in self.faults]:
                ran.result()


def series(seed):
    """All faults there will be: every kind comes once, and then some together, before one comes twice."""
    for turn in range(1 << 30):
        kinds = KINDS[:]
        random.Random(f"{seed}/{turn}").shuffle(kinds)
        for place, kind in enumerate(kinds + [Together] * 3):
            yield kind(f"{seed}/{turn}/{place}")
