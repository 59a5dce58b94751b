"""SYSTEM's three examples of messaging (direct, topic, RPC) with kombu."""
import socket
import threading
import time
import uuid

import kombu
import pytest


@pytest.fixture
def connection(shared_broker):
    """A kombu connection (py-amqp below, as oslo.messaging has it)."""
    with kombu.Connection(shared_broker.url()) as connection:
        yield connection


def collect(connection, queue, count, seconds=10):
    """Bodies of the next messages of a queue, acknowledged."""
    bodies = []

    def take(body, message):
        bodies.append(body)
        message.ack()

    end = time.monotonic() + seconds
    with connection.Consumer([queue], callbacks=[take]):
        while len(bodies) < count and time.monotonic() < end:
            try:
                connection.drain_events(timeout=1)
            except socket.timeout:
                continue
    return bodies


def messages_in(queue):
    """How many messages wait in a bound queue."""
    return queue.queue_declare(passive=True).message_count


def test_direct(connection, name):
    """taskC_create goes to taskC_queue, and nowhere else."""
    exchange = kombu.Exchange(f"{name}.tasks", "direct", durable=False)
    channel = connection.default_channel
    task_c = kombu.Queue(f"{name}.taskC_queue", exchange, "taskC_create", durable=False)(channel)
    task_d = kombu.Queue(f"{name}.taskD_queue", exchange, "taskD_create", durable=False)(channel)
    for queue in (task_c, task_d):
        queue.declare()
    producer = connection.Producer(exchange=exchange)
    producer.publish({"task": "C"}, routing_key="taskC_create")
    producer.publish({"task": "none"}, routing_key="taskC_delete")
    assert collect(connection, task_c, 1) == [{"task": "C"}]
    assert (messages_in(task_c), messages_in(task_d)) == (0, 0)
    for queue in (task_c, task_d):
        queue.delete()
    exchange(channel).delete()


def test_topic(connection, name):
    """Compute's tasks go to compute_tasks, all tasks, compute's too, to all_tasks."""
    exchange = kombu.Exchange(f"{name}.tasks", "topic")
    channel = connection.default_channel
    compute = kombu.Queue(f"{name}.compute_tasks", exchange, "compute.*")(channel)
    everything = kombu.Queue(f"{name}.all_tasks", exchange, "#")(channel)
    for queue in (compute, everything):
        queue.declare()
    producer = connection.Producer(exchange=exchange)
    keys = ["compute.create", "network.create", "compute.delete", "compute.a.b"]
    for key in keys:
        producer.publish(key, routing_key=key)
    assert collect(connection, compute, 2) == ["compute.create", "compute.delete"]
    assert collect(connection, everything, 4) == keys
    for queue in (compute, everything):
        assert messages_in(queue) == 0
        queue.delete()
    exchange(channel).delete()


def serve_calls(url, queue, ready, stop):
    """An RPC server that answers each call into the queue it names."""
    with kombu.Connection(url) as connection:
        producer = connection.Producer()

        def answer(body, message):
            producer.publish(body.upper(), routing_key=message.properties["reply_to"],
                             correlation_id=message.properties["correlation_id"])
            message.ack()

        with connection.Consumer([queue], callbacks=[answer], prefetch_count=1):
            ready.set()
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=0.2)
                except socket.timeout:
                    continue


def test_rpc(shared_broker, connection, name):
    """The caller names its reply queue, subscribes to it and waits for the answer to its own call."""
    exchange = kombu.Exchange(f"{name}.rpc", "topic", durable=False, auto_delete=True)
    calls = kombu.Queue(f"{name}.server", exchange, "rpc.#", durable=False, auto_delete=True)
    ready, stop = threading.Event(), threading.Event()
    server = threading.Thread(target=serve_calls, args=(shared_broker.url(), calls, ready, stop))
    server.start()
    try:
        assert ready.wait(20)
        reply_queue = kombu.Queue(f"reply_{uuid.uuid4().hex}", exclusive=True, durable=False,
                                  queue_arguments={"x-expires": 1_800_000})
        answers = {}

        def take(body, message):
            answers[message.properties["correlation_id"]] = body
            message.ack()

        producer = connection.Producer(exchange=exchange)
        with connection.Consumer([reply_queue], callbacks=[take]):
            for number in range(20):
                call = str(uuid.uuid4())
                producer.publish(f"call {number}", routing_key="rpc.upper", reply_to=reply_queue.name,
                                 correlation_id=call)
                while call not in answers:
                    connection.drain_events(timeout=20)
                assert answers[call] == f"CALL {number}"
        assert len(answers) == 20
    finally:
        stop.set()
        server.join(20)
