"""What a client can take of memory, files and time is bounded, and given back; others get on."""
import resource
import socket
import threading
import time

import pytest
from pika import spec
from raw import CLIENT_PROPERTIES, HEADER, Closed, Raw, fill, method_frame, publish_frames
from test_misbehaviour import Neighbour
from test_stalls import resident, until


def start_ok(properties, password):
    """The client's first method."""
    return method_frame(0, spec.Connection.StartOk(properties, "PLAIN", f"\0guest\0{password}", "en_US"))


def test_who_has_no_password_gets_no_memory(broker):
    """Before the login frames are small; and what a refused client said of itself is not kept."""
    before = resident(broker)
    for many in (1000, 20_000):
        voids = {f"{number:x}": None for number in range(many)}
        first = start_ok(CLIENT_PROPERTIES | voids, "wrong")
        waiting = [Raw(broker, open_now=False) for _ in range(200)]
        for raw in waiting:
            raw.send(HEADER)
            raw.expect(spec.Connection.Start)
            raw.send(first)
        time.sleep(0.5)
        assert resident(broker) < before + 60
        for raw in waiting:
            raw.socket.close()


def test_a_write_full_of_gets_takes_no_more_than_the_client_reads(broker):
    """Each is answered with fifty kilobytes, and put back: what is not read is not answered yet."""
    count = 5000
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    fill(broker, "q", 20, 50_000)
    with Raw(broker, seconds=60) as raw:
        raw.channel()
        before = resident(broker)
        get = method_frame(1, spec.Basic.Get(queue="q"))
        raw.send(b"".join(get + method_frame(1, spec.Basic.Nack(tag, requeue=True)) for tag in range(1, count + 1)))
        time.sleep(2)
        assert resident(broker) < before + 50
        for tag in range(1, count + 1):
            assert raw.expect(spec.Basic.GetOk).delivery_tag == tag
        raw.call(1, spec.Basic.Qos(), spec.Basic.QosOk)


def test_connections_at_rest_keep_no_large_buffers(broker):
    """Once they were sent sixty kilobytes: what some have let go of does for others."""
    many = 300
    with Raw(broker) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q"), spec.Queue.DeclareOk)
        groups = []
        for _ in range(3):
            clients = [Raw(broker) for _ in range(many)]
            groups.append((clients, resident(broker)))
            for client in clients:
                client.channel()
                raw.send(publish_frames(1, "", "q", b"x" * 60_000))
                until(lambda: client.call(1, spec.Queue.Declare(queue="q", passive=True),
                                          spec.Queue.DeclareOk).message_count)
                client.call(1, spec.Basic.Get(queue="q", no_ack=True), spec.Basic.GetOk)
            # More than it takes to be at rest.
            time.sleep(2.5)
    grown = resident(broker) - groups[1][1]
    assert grown < 20, f"{grown} MiB for {2 * many} connections"
    for clients, _ in groups:
        for client in clients:
            client.socket.close()


def test_clients_that_go_in_the_midst_of_a_body_end_the_alarm(make_broker):
    """Blocked, they are not read from; that they are gone is seen all the same."""
    broker = make_broker('broker.memory_high_watermark="150MiB"')
    head = publish_frames(1, "", "nowhere", b"x" * 4000)
    announced = head[:head.index(206) + 1]
    clients = [Raw(broker, seconds=60) for _ in range(16)]
    body = half_a_body(100 << 20, 20 << 20)

    def send(client):
        try:
            client.channel()
            client.send(announced + body)
        except OSError:
            # The broker reads no more of it.
            pass

    for client in clients:
        client.socket.settimeout(5)
        threading.Thread(target=send, args=[client], daemon=True).start()
    until(lambda: ["blocked"] in broker.rows("list_connections", "state"))
    for client in clients:
        client.reset() if client is clients[0] else client.socket.close()
    with broker.connect() as connection:
        channel = connection.channel()
        channel.queue_declare("q")
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"goes on")
        # Those that were not blocked when they went are read to their end first.
        until(lambda: channel.basic_publish("", "q", b"goes on") or resident(broker) < 150)


def half_a_body(announced, sent):
    """A content header, and body frames of a part of what it announces."""
    frames = publish_frames(1, "", "nowhere", b"x" * sent)
    publish = frames.index(206) + 1
    frames = bytearray(frames[publish:])
    # The header frame: type, channel, size, class, weight, size of the body.
    frames[11:19] = announced.to_bytes(8, "big")
    return bytes(frames)


@pytest.mark.timeout(240)
def test_a_publish_that_is_slow_to_route_keeps_nobody_else_waiting(broker, name):
    """Thousands of bindings that match anything, and floods through them."""
    with broker.connect() as connection:
        channel = connection.channel()
        channel.exchange_declare("slow", "topic")
        channel.queue_declare("q", arguments={"x-message-ttl": 0})
        for number in range(2000):
            channel.queue_bind("q", "slow", f"#.a{number}.#")
    neighbour = Neighbour(broker, name)
    neighbour.start()
    with Raw(broker) as one, Raw(broker) as two, Raw(broker) as three:
        for raw in (one, two, three):
            raw.channel()
            raw.send(b"".join(publish_frames(1, "slow", f"b.{number}.c.d.e.f.g.h", b"") for number in range(2500)))
        time.sleep(5)
    neighbour.finish()


def test_clients_take_no_files_that_logs_and_operators_need(make_broker):
    """Of few files half are for clients; more clients are turned away, and all else goes on."""
    broker = make_broker("journal.segment_size=1048576")
    resource.prlimit(broker.own_process().pid, resource.RLIMIT_NOFILE, (150, 150))
    with broker.connect() as connection:
        connection.channel().queue_declare("q", durable=True)
    clients, refused = [], 0
    for _ in range(150):
        try:
            clients.append(Raw(broker))
        except (Closed, ConnectionError):
            refused += 1
    assert 60 <= len(clients) <= 80 and refused >= 70
    last = clients.pop()
    last.channel()
    last.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
    for _ in range(5):
        last.send(publish_frames(1, "", "q", b"x" * (1 << 20), delivery_mode=2))
        assert isinstance(last.read_method(), spec.Basic.Ack)
    assert broker.rows("list_queues", "messages") == [["5"]]
    for client in [last, *clients]:
        client.socket.close()
    until(lambda: len(broker.rows("list_connections", "pid")) == 0)
    with Raw(broker):
        pass


def limited(make_broker, limit, *settings):
    """A broker that has a limit (an option of prlimit) from its start on."""
    broker = make_broker(*settings)
    assert broker.stop() == 0
    command = broker.command()
    broker.command = lambda: ["prlimit", limit, *command]
    broker.start()
    return broker


def test_the_memory_alarm_ends_with_its_cause(make_broker):
    """What clients held is the system's again in a moment, also where nothing else goes on; bystanders are let go."""
    broker = make_broker("broker.memory_high_watermark=0.01")
    message = publish_frames(1, "", "nowhere", b"x" * 1_000_000, delivery_mode=2)
    holders = [Raw(broker, seconds=3) for _ in range(4)]
    for holder in holders:
        holder.channel()
        holder.call(1, spec.Tx.Select(), spec.Tx.SelectOk)
    with pytest.raises(OSError):  # The alarm is on, and nothing is read any more.
        for _ in range(400):
            for holder in holders:
                holder.send(message)
    time.sleep(1)
    with Raw(broker) as bystander:
        bystander.channel()
        bystander.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        bystander.send(publish_frames(1, "", "nowhere", b"y"))
        until(lambda: broker.rows("list_connections", "state") == [["blocked"]] * 5)
        begin = time.monotonic()
        for holder in holders:
            holder.socket.close()
        until(lambda: broker.rows("list_connections", "state") == [["running"]])
        assert time.monotonic() - begin < 4


def test_silent_operators_keep_neither_clients_nor_operators_out(make_broker):
    """Of few files a few are for them; and whoever says nothing gives way to the next."""
    broker = limited(make_broker, "--nofile=64:64")
    crowd = []
    for _ in range(128):
        silent = socket.socket(socket.AF_UNIX)
        silent.settimeout(5)
        silent.connect(str(broker.data / "ctl.sock"))
        crowd.append(silent)
    begin = time.monotonic()
    broker.ctl("list_queues", seconds=10)
    with Raw(broker, seconds=5) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q", durable=True), spec.Queue.DeclareOk)
    assert time.monotonic() - begin < 10
    for silent in crowd:
        silent.close()


def test_vhosts_leave_files_for_operators_and_clients(make_broker):
    """One more than there are files for is refused, with the remedy; so is a start with too many."""
    broker = limited(make_broker, "--nofile=64:64")
    refused, made = None, []
    for number in range(64):
        refused = broker.ctl("add_vhost", f"v{number}", check=False)
        if refused.returncode:
            break
        made.append(f"v{number}")
    assert refused.returncode == 69 and "LimitNOFILE" in refused.stderr
    assert len(made) >= 5 and len(broker.rows("list_vhosts", "name")) == len(made) + 1
    broker.ctl("set_permissions", "-p", made[-1], "guest", ".*", ".*", ".*")
    for _ in range(2):
        with Raw(broker, vhost=made[-1], seconds=5) as raw:
            raw.channel()
            raw.call(1, spec.Queue.Declare(queue="q", durable=True), spec.Queue.DeclareOk)
        assert broker.rows("list_queues", "-p", made[-1], "name") == [["q"]]
        broker.restart()
    assert broker.stop() == 0
    command = broker.command()
    broker.command = lambda: ["prlimit", "--nofile=40:40", *command[2:]]
    with pytest.raises(RuntimeError, match="LimitNOFILE"):
        broker.start()


def test_a_limit_of_file_sizes_is_a_full_disk(make_broker):
    """What does not fit waits, and goes on when the limit is raised; the system's signal ends nothing."""
    broker = make_broker("journal.segment_size=4194304")
    process = broker.own_process()
    with Raw(broker, seconds=30) as raw:
        raw.channel()
        raw.call(1, spec.Queue.Declare(queue="q", durable=True), spec.Queue.DeclareOk)
        raw.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        message = publish_frames(1, "", "q", b"x" * 100_000, delivery_mode=2)
        # Nothing is read while it is full.
        sender = threading.Thread(target=raw.send, args=(message * 120,))
        sender.start()
        until(lambda: "no room for the log" in broker.log_text(), 20)
        assert process.poll() is None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answered, refused = 0, 0
        while answered < 120:
            method = raw.read_method()
            if isinstance(method, (spec.Basic.Ack, spec.Basic.Nack)):
                count = method.delivery_tag - answered if method.multiple else 1
                answered += count
                refused += count if isinstance(method, spec.Basic.Nack) else 0
        sender.join()
    assert refused < 10 and broker.rows("list_queues", "messages") == [[str(120 - refused)]]
