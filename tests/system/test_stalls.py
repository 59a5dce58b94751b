"""Clients that go, stall or hold on to much, and a broker that was paused itself: nobody is dropped who was not at fault,
nothing is lost, and what a client held is given back."""
import signal
import socket
import threading
import time

import pytest
from pika import spec
from raw import Closed, Raw, fill, method_frame, plain_frame, publish_frames, until

HEARTBEAT = plain_frame(8, 0, b"")


def resident(broker):
    """MiB of memory that the broker's process has."""
    with open(f"/proc/{broker.own_process().pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) >> 10


# Closing


def test_a_client_that_still_writes_reads_its_close_ok(shared_broker):
    """A reset would take the answer from it: what it sends behind its close is read and passed over."""
    for _ in range(20):
        with Raw(shared_broker) as raw:
            raw.channel()
            message = publish_frames(1, "", "nobody", b"x" * 1000)
            raw.send(message * 50 + method_frame(0, spec.Connection.Close(200, "bye", 0, 0)))
            for _ in range(50):
                raw.send(message * 20)
                time.sleep(0.001)
            raw.expect(spec.Connection.CloseOk)
            # The socket is the client's to close.
            raw.send(message)


def test_a_connection_that_is_over_is_not_held_for_ever(broker):
    """Should the client not close its socket, the broker does, after a while; a stop does not wait for it."""
    with Raw(broker, seconds=30) as raw:
        raw.method(0, spec.Connection.Close(200, "bye", 0, 0))
        raw.expect(spec.Connection.CloseOk)
        begin = time.monotonic()
        with pytest.raises(Closed):
            raw.read()
        assert 5 < time.monotonic() - begin
    broker.own_process()
    with Raw(broker) as raw:
        raw.method(0, spec.Connection.Close(200, "bye", 0, 0))
        raw.expect(spec.Connection.CloseOk)
        assert broker.stop() == 0


def test_a_silent_client_without_heartbeats_is_closed_when_asked_to(broker):
    """It has ten seconds for its answer."""
    with Raw(broker, heartbeat=0, seconds=30) as raw:
        (pid,), = broker.rows("list_connections", "pid")
        broker.ctl("close_connection", pid, "enough")
        assert isinstance(raw_close(raw), spec.Connection.Close)
        with pytest.raises(Closed):
            raw.read()


def raw_close(raw):
    """The broker's connection.close, unanswered."""
    try:
        raw.read_method()
    except Closed as closed:
        return closed.method
    raise AssertionError("it said something else")


# Pauses


def test_a_broker_that_was_paused_drops_nobody_whose_heartbeats_lie_unread(broker):
    """Stopped for more than two heartbeats, with clients that went on sending theirs."""
    process = broker.own_process()
    clients = [Raw(broker, heartbeat=1) for _ in range(20)]
    ends = threading.Event()

    def beat():
        while not ends.wait(0.4):
            for client in clients:
                client.send(HEARTBEAT)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    for _ in range(3):
        process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
    for client in clients:
        client.channel()
    ends.set()
    beating.join()
    for client in clients:
        client.socket.close()


def test_signals_of_other_daemons_do_not_end_it(broker):
    """SIGHUP, SIGUSR1 and SIGUSR2: sent by logrotate, or by habit."""
    process = broker.own_process()
    with Raw(broker) as raw:
        for name in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(name)
            time.sleep(0.1)
            raw.call(1, spec.Channel.Open(), spec.Channel.OpenOk)
            raw.call(1, spec.Channel.Close(200, "", 0, 0), spec.Channel.CloseOk)
    assert "SIGHUP" in broker.log_text()


def test_a_stop_closes_the_port_first_and_waits_for_nobody_who_sleeps(broker):
    """Idle clients read nothing: they are told, and not waited for. Nobody comes in meanwhile."""
    process = broker.own_process()
    idle = [Raw(broker) for _ in range(50)]
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    refused = 0
    while process.poll() is None:
        assert time.monotonic() - begin < 30
        try:
            with socket.create_connection(("127.0.0.1", broker.port), 1) as late:
                late.settimeout(1)
                assert late.recv(1) == b""
        except OSError:
            refused += 1
        time.sleep(0.02)
    broker.process = None
    assert process.returncode == 0 and refused > 5
    # The time they are given, and what a busy machine takes.
    assert time.monotonic() - begin < 4
    for client in idle:
        assert isinstance(raw_close(client), spec.Connection.Close)
        client.socket.close()


# Much


@pytest.mark.timeout(240)
def test_half_a_million_messages_come_back_from_a_client_that_goes(broker):
    """A pass over the queue for each of them would take minutes, in which nothing else is answered."""
    many = 500_000
    with broker.connect() as connection:
        connection.channel().queue_declare("big")
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        message = publish_frames(1, "", "big", b"x" * 10)
        for _ in range(many // 1000):
            raw.send(message * 1000)
        raw.call(1, spec.Queue.Declare(queue="big", passive=True), spec.Queue.DeclareOk)
        raw.call(1, spec.Basic.Consume(queue="big"), spec.Basic.ConsumeOk)
        until(lambda: take_all_that_came(raw) or broker.rows("list_queues", "messages_unacknowledged") == [[str(many)]])
    until(lambda: broker.rows("list_queues", "messages_ready") == [[str(many)]])


def take_all_that_came(raw):
    """Throws away what lies in the socket."""
    raw.socket.settimeout(0.2)
    raw.buffer.clear()
    try:
        while raw.socket.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    raise AssertionError("the broker hung up")


@pytest.mark.timeout(240)
def test_a_backlog_that_one_consumer_takes_does_not_stay_in_memory(broker):
    """Without a prefetch limit (oslo's default) it is given all of it; what is in the log need not be kept besides."""
    with broker.connect() as connection:
        connection.channel().queue_declare("big", durable=True)
    fill(broker, "big", 60_000, 10_000)
    before = resident(broker)
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        raw.call(1, spec.Basic.Consume(queue="big"), spec.Basic.ConsumeOk)
        until(lambda: take_all_that_came(raw) or broker.rows("list_queues", "messages_unacknowledged") == [["60000"]])
        held = resident(broker)
    until(lambda: broker.rows("list_queues", "messages_ready") == [["60000"]])
    after = resident(broker)
    assert held < before + 150 and after < before + 150, f"{before}, {held}, {after} MiB"
    with broker.connect() as connection:
        got = [connection.channel().basic_get("big", auto_ack=True) for _ in range(3)]
    assert all(method.redelivered and len(body) == 10_000 for method, _, body in got)


def test_frames_of_any_size_where_that_is_configured(make_broker):
    """`broker.frame_max = 0` offers no limit, and takes a client that wants none."""
    broker = make_broker("broker.frame_max=0")
    body = bytes(range(256)) * 4096
    with Raw(broker) as raw:
        assert raw.frame_max == 0
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
        raw.send(publish_frames(1, "", "q", body, frame_max=10 << 20))
        raw.method(1, spec.Basic.Get(queue="q", no_ack=True))
        raw.expect(spec.Basic.GetOk)
        assert raw.read()[0] == 2
        kind, _, payload = raw.read()
        assert kind == 3 and payload == body
    with broker.connect() as connection:
        channel = connection.channel()
        channel.basic_publish("", "q", body)
        assert channel.basic_get("q", auto_ack=True)[2] == body
