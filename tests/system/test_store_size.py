"""Large stores: quick to start with, and given back when consumed. Slow: gigabytes."""
import time

import pytest
from raw import drain, fill

pytestmark = pytest.mark.slow
GIB = 1 << 30


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["clean", "kill"])
def test_a_million_messages_are_ready_in_three_seconds(broker, how):
    """1,000,000 persistent messages of 1 KiB on 100 queues."""
    broker.own_process()
    with broker.connect() as connection:
        channel = connection.channel()
        for number in range(100):
            channel.queue_declare(f"million-{number}", durable=True)
    begin = time.monotonic()
    for number in range(100):
        fill(broker, f"million-{number}", 10_000, 1024)
    filled = time.monotonic() - begin
    if how == "clean":
        assert broker.stop(seconds=60) == 0
    else:
        broker.kill()
    took = broker.start(120)
    with broker.connect() as connection:
        channel = connection.channel()
        counts = [channel.queue_declare(f"million-{number}", passive=True).method.message_count for number in range(100)]
    print(f"\n{how}: 1,000,000 messages ready after {took:.2f} s (filled in {filled:.0f} s), "
          f"{broker.memory() >> 20} MiB resident, {broker.store_bytes() >> 20} MiB on disk")
    assert counts == [10_000] * 100
    assert took < 3


@pytest.mark.timeout(1800)
def test_a_consumed_backlog_is_given_back(broker):
    """5 GB in one queue, consumed: under 100 MB are left on the disk."""
    broker.own_process()
    count, size = 51_200, 5 * GIB // 51_200
    with broker.connect() as connection:
        connection.channel().queue_declare("backlog", durable=True)
    begin = time.monotonic()
    fill(broker, "backlog", count, size)
    filled, full, memory = time.monotonic() - begin, broker.store_bytes(), broker.memory()
    assert full > 5 * GIB
    took = drain(broker, "backlog", count, 900)
    end = time.monotonic() + 60
    while broker.store_bytes() >= 100_000_000:
        assert time.monotonic() < end, f"{broker.store_bytes() >> 20} MiB are still on the disk"
        time.sleep(0.2)
    print(f"\n5 GiB: filled in {filled:.0f} s, {full >> 20} MiB on disk, {memory >> 20} MiB resident; "
          f"drained in {took:.0f} s, {broker.store_bytes() >> 20} MiB left, {broker.memory() >> 20} MiB resident")
    assert broker.restart() < 3
