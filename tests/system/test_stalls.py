"""Clients that go or stall, and a broker that was paused itself: nobody is dropped who was not at fault."""
import signal
import socket
import threading
import time

import pytest
from pika import spec
from raw import Closed, Raw, method_frame, plain_frame, publish_frames

HEARTBEAT = plain_frame(8, 0, b"")


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


# Frames


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
