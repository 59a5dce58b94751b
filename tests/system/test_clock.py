"""The wall clock is set while the broker runs, and while it does not: what lasts goes by the steady clock, what
outlives the broker by the wall's."""
import re
import time
from datetime import datetime

import pika
import pytest
from clock import WallClock, library
from raw import Raw, until

MINUTE, HOUR = 60, 3600


@pytest.fixture
def clock(tmp_path):
    """A wall clock that may be set; skips where there is no libfaketime."""
    if library() is None:
        pytest.skip("needs libfaketime")
    return WallClock(tmp_path / "clock")


@pytest.fixture
def broker(make_broker, clock):
    """A broker that goes by that clock."""
    broker = make_broker(environment=clock.environment)
    broker.own_process()
    return broker


def ahead(broker):
    """How far the broker's clock is ahead of ours in seconds, by the line of its log about a client that went."""
    seen = len(broker.log_text())
    with Raw(broker):
        pass
    until(lambda: len(broker.log_text()) > seen)
    shown = re.match(r"\S+", broker.log_text()[seen:]).group()
    return datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp() - time.time()


def messages(broker, queue):
    """How many are in the queue, None where there is no such queue."""
    return dict(broker.rows("list_queues", "name", "messages")).get(queue)


def put(channel, queue, body, seconds=None):
    """Publishes a persistent message that lives for so long, confirmed."""
    expiration = None if seconds is None else str(int(seconds * 1000))
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, expiration=expiration))


def opened(broker, queue, **arguments):
    """A channel with confirms, and a durable queue."""
    channel = broker.connect().channel()
    channel.queue_declare(queue, durable=True, arguments=arguments)
    channel.confirm_delivery()
    return channel


def test_the_broker_goes_by_that_clock(broker, clock):
    """What the tests below rest on."""
    assert abs(ahead(broker)) < MINUTE
    clock.step(HOUR)
    assert abs(ahead(broker) - HOUR) < MINUTE
    clock.step(-2 * HOUR)
    assert abs(ahead(broker) + HOUR) < MINUTE


def test_a_step_forth_drops_no_young_message(broker, clock):
    """One second old, it has 59 to live, whatever the wall says."""
    channel = opened(broker, "q")
    put(channel, "q", b"young", MINUTE)
    time.sleep(1)
    clock.step(MINUTE + 1)
    time.sleep(2)
    assert channel.basic_get("q", auto_ack=True)[2] == b"young"


def test_a_step_forth_deletes_no_unused_queue(broker, clock):
    """Unused for seconds, not for half an hour."""
    opened(broker, "q", **{"x-expires": 30 * MINUTE * 1000})
    clock.step(HOUR)
    time.sleep(2)
    assert messages(broker, "q") == "0"


def test_a_step_back_delays_no_expiry(broker, clock):
    """Of a message and of a queue, from before the step and after it."""
    channel = opened(broker, "q")
    opened(broker, "unused", **{"x-expires": 3000})
    put(channel, "q", b"before", 2)
    clock.step(-HOUR)
    put(channel, "q", b"after", 2)
    until(lambda: messages(broker, "q") == "0" and messages(broker, "unused") is None)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_over_a_restart_the_wall_clock_counts(broker, clock, how):
    """A minute that passed while the broker was down has passed."""
    channel = opened(broker, "q")
    put(channel, "q", b"a minute", MINUTE)
    put(channel, "q", b"an hour", HOUR)
    put(channel, "q", b"for ever")
    getattr(broker, how)()
    broker.start()
    channel = broker.connect().channel()
    assert channel.queue_declare("q", passive=True).method.message_count == 3
    getattr(broker, how)()
    clock.step(MINUTE + 1)
    broker.start()
    channel = broker.connect().channel()
    assert [channel.basic_get("q", auto_ack=True)[2] for _ in range(3)] == [b"an hour", b"for ever", None]
