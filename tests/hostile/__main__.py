"""A hostile hour: fault after fault against the real binary, with a good client beside them that must not suffer.

Called by script/hostile.
"""
import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from broker import Broker  # noqa: E402
from clock import WallClock, library  # noqa: E402
from disk import disk_or_none  # noqa: E402
from faults import series  # noqa: E402
from good import Good  # noqa: E402

DESCRIPTORS = 512
CONTROL_SECONDS = 10
# From a fault's end on: this long the good client may feel it, and this long it is then looked at.
SETTLE_SECONDS, WINDOW_SECONDS = 2, 3
MEMORY_MIB = 100


class LimitedBroker(Broker):
    """A broker with few descriptors."""

    def command(self):
        return ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *super().command()]


class World:
    """The broker, what its surroundings can do, and what was found."""

    def __init__(self, folder):
        self.findings, self.fault, self.descriptors = [], None, DESCRIPTORS
        self.disk, why = disk_or_none(folder)
        self.clock = WallClock(folder / "clock") if library() else None
        if self.disk is None:
            say(f"no disk can be stalled here: {why}")
        if self.clock is None:
            say("no clock can be set here: there is no libfaketime")
        self.broker = LimitedBroker(folder / "broker", environment=self.clock.environment if self.clock else None)
        if self.disk is not None:
            self.broker.data = self.disk.mount / "data"
            self.broker.ctl_environment["AILERON_CTL_SOCKET"] = str(self.broker.data / "ctl.sock")

    def finding(self, text):
        """Something that did not hold."""
        load = os.getloadavg()[0]
        self.findings.append(text)
        say(f"  FOUND during {self.fault or 'no fault'} (load {load:.1f}): {text}")

    def close(self):
        """Ends the broker, then its disk."""
        self.broker.close()
        if self.disk is not None:
            self.disk.close()


def say(text):
    """A line at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def told(took):
    """For people."""
    return ", ".join(f"{what} {seconds * 1000:.1f} ms" if seconds < float("inf") else f"no {what}"
                     for what, seconds in took.items())


def one(world, good, limits, fault):
    """Runs a fault and looks at the good client afterwards."""
    if not fault.possible(world):
        say(f"{fault} -- left out")
        return
    say(str(fault))
    world.fault, begin = fault, time.monotonic()
    try:
        fault.run(world)
    except Exception:  # a fault that fails is told like what it finds
        world.finding(traceback.format_exc())
    end = time.monotonic()
    time.sleep(SETTLE_SECONDS + WINDOW_SECONDS)
    if world.broker.process.poll() is not None:
        return
    # Who sent in the last half second may wait for an answer still.
    after = good.medians(end + SETTLE_SECONDS, end + SETTLE_SECONDS + WINDOW_SECONDS - 0.5)
    if any(after[what] > limits[what] for what in limits):
        world.finding(f"{SETTLE_SECONDS} s after its end the good client's median is {told(after)}; "
                      f"the limit is {told(limits)}")
    say(f"  {end - begin:.1f} s; the good client at worst {told(good.worst(begin - 0.1, end))}, "
        f"afterwards {told(after)}; {world.broker.memory() >> 20} MiB")
    world.fault = None


def check_memory(world, before):
    """Everybody is gone: so is what was held for them."""
    end = time.monotonic() + 60
    while (now := world.broker.memory()) > before + (MEMORY_MIB << 20) and time.monotonic() < end:
        time.sleep(1)
    if now > before + (MEMORY_MIB << 20):
        world.finding(f"{now >> 20} MiB resident after all are gone, {before >> 20} MiB at the start")
    return now


def hour(world, seed, seconds):
    """The whole run; how many faults there were, and how many messages."""
    begin = time.monotonic()
    world.broker.start()
    good = Good(world.broker, world.finding)
    time.sleep(CONTROL_SECONDS + 1)
    control = good.medians(begin, begin + CONTROL_SECONDS)
    before = world.broker.memory()
    # Three times as long, and what a busy machine adds: a stall is seconds, or grows.
    limits = {what: seconds * 3 + 0.05 for what, seconds in control.items()}
    say(f"control: median {told(control)} over {CONTROL_SECONDS} s, {before >> 20} MiB")
    count = 0
    for fault in series(seed):
        if time.monotonic() - begin > seconds or world.broker.process.poll() is not None:
            break
        one(world, good, limits, fault)
        count += 1
    if world.broker.process.poll() is not None:
        world.finding(f"the broker ended with {world.broker.process.returncode}")
    else:
        good.finish()
        after = check_memory(world, before)
        say(f"memory: {before >> 20} MiB at the start, {after >> 20} MiB at the end")
        if (code := world.broker.stop()) != 0:
            world.finding(f"the broker stopped with {code}")
    if "panicked" in world.broker.log_text():
        world.finding("the broker's log tells of a panic")
    return count, len(good.confirmed)


def main():
    """Exit code 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="script/hostile")
    parser.add_argument("--seed", default=time.strftime("%Y%m%d"))
    parser.add_argument("--seconds", type=float, default=3600)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    say(f"seed {arguments.seed}, {arguments.seconds:.0f} s")
    folder = Path(tempfile.mkdtemp(prefix="aileron-hostile-"))
    world = World(folder)
    try:
        faults, messages = hour(world, arguments.seed, arguments.seconds)
    finally:
        world.close()
    print(f"hostile: seed {arguments.seed}, {faults} faults, {messages} confirmed messages, {len(world.findings)} findings")
    if world.findings:
        print(f"its log and the image of its disk are in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


main()
