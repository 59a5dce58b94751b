"""What was confirmed is there after kill -9, in order; what was firmly acknowledged is not."""
import random
import time

import pytest
from crash_load import CrashLoad, Queue, Stream, declare

KILLS = 50


def streams_for(broker):
    """Two single queues, a fanout into two, and a queue in a virtual host (a log) of its own."""
    broker.ctl("add_vhost", "second", check=False)
    broker.ctl("set_permissions", "-p", "second", "guest", ".*", ".*", ".*")
    return [Stream("", "one", [Queue("one")]),
            Stream("", "two", [Queue("two")]),
            Stream("crash.fanout", "", [Queue("fan-a"), Queue("fan-b")]),
            Stream("", "other", [Queue("other")], vhost="second")]


@pytest.mark.timeout(600)
def test_kill_under_load(broker):
    """kill -9 under load, 50 times: nothing confirmed lost, nothing firmly acknowledged back, order kept."""
    broker.own_process()
    streams = streams_for(broker)
    declare(broker, streams)
    load, chance = CrashLoad(broker, streams), random.Random(1)
    load.start()
    starts = []
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 0.9))
            starts.append(load.kill())
            if load.problems:
                break
    finally:
        load.finish()
    sent = sum(stream.sent for stream in streams)
    confirmed = sum(len(stream.confirmed) for stream in streams)
    firm = sum(len(queue.firm) for stream in streams for queue in stream.queues)
    print(f"{sent} sent, {confirmed} confirmed, {firm} firmly acknowledged, "
          f"longest start {max(starts):.2f} s, {len(starts)} kills")
    assert not load.problems, "\n".join(load.problems)
    # A load that got nothing through has shown nothing.
    assert confirmed > 50 * KILLS and firm > 10 * KILLS


def test_load_is_a_true_witness(broker):
    """The same load without a kill: all sent is confirmed and delivered."""
    streams = streams_for(broker)
    declare(broker, streams)
    load = CrashLoad(broker, streams)
    load.start()
    time.sleep(2)
    load.finish()
    assert not load.problems, "\n".join(load.problems)
    for stream in streams:
        assert stream.confirmed == set(range(stream.sent))
        for queue in stream.queues:
            assert queue.delivered == stream.confirmed
            assert queue.firm
