"""SYSTEM's three examples of messaging (direct, topic, RPC) with pika."""
import threading
import uuid

import pika


def collect(channel, queue, count, seconds=10):
    """Bodies of the next messages of a queue, acknowledged."""
    bodies = []
    for method, _, body in channel.consume(queue, inactivity_timeout=seconds):
        if method is None:
            break
        bodies.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


def test_direct(channel, name):
    """taskC_create goes to taskC_queue, and nowhere else."""
    exchange, task_c, task_d = f"{name}.tasks", f"{name}.taskC_queue", f"{name}.taskD_queue"
    channel.exchange_declare(exchange, "direct")
    for queue, key in ((task_c, "taskC_create"), (task_d, "taskD_create")):
        channel.queue_declare(queue)
        channel.queue_bind(queue, exchange, key)
    channel.basic_publish(exchange, "taskC_create", b"create C")
    channel.basic_publish(exchange, "taskC_delete", b"nobody wants this")
    assert collect(channel, task_c, 1) == ["create C"]
    assert channel.queue_declare(task_c, passive=True).method.message_count == 0
    assert channel.queue_declare(task_d, passive=True).method.message_count == 0
    for queue in (task_c, task_d):
        channel.queue_delete(queue)
    channel.exchange_delete(exchange)


def test_topic(channel, name):
    """Compute's tasks go to compute_tasks, all tasks, compute's too, to all_tasks."""
    exchange, compute, everything = f"{name}.tasks", f"{name}.compute_tasks", f"{name}.all_tasks"
    channel.exchange_declare(exchange, "topic")
    for queue, pattern in ((compute, "compute.*"), (everything, "#")):
        channel.queue_declare(queue)
        channel.queue_bind(queue, exchange, pattern)
    keys = ["compute.create", "network.create", "compute.delete", "compute.a.b"]
    for key in keys:
        channel.basic_publish(exchange, key, key.encode())
    assert collect(channel, compute, 2) == ["compute.create", "compute.delete"]
    assert collect(channel, everything, 4) == keys
    for queue in (compute, everything):
        assert channel.queue_declare(queue, passive=True).method.message_count == 0
        channel.queue_delete(queue)
    channel.exchange_delete(exchange)


def serve_calls(broker, exchange, queue, ready, calls):
    """An RPC server: takes calls off a topic exchange, answers into the queue each one names."""
    connection = broker.connect()
    channel = connection.channel()
    channel.exchange_declare(exchange, "topic")
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange, "rpc.#")
    channel.basic_qos(prefetch_count=1)
    ready.set()
    for method, properties, body in channel.consume(queue, inactivity_timeout=20):
        if method is None:
            break
        channel.basic_publish("", properties.reply_to, body.upper(),
                              pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(method.delivery_tag)
        calls -= 1
        if calls == 0:
            break
    channel.cancel()
    channel.queue_delete(queue)
    channel.exchange_delete(exchange)
    connection.close()


def test_rpc(shared_broker, channel, name):
    """The caller names its reply queue, subscribes to it and waits for the answer to its own call."""
    exchange, queue, ready, calls = f"{name}.rpc", f"{name}.server", threading.Event(), 20
    server = threading.Thread(target=serve_calls, args=(shared_broker, exchange, queue, ready, calls))
    server.start()
    assert ready.wait(20)
    reply_queue = channel.queue_declare("", exclusive=True).method.queue
    answers = channel.consume(reply_queue, auto_ack=True, inactivity_timeout=20)
    for number in range(calls):
        call = str(uuid.uuid4())
        channel.basic_publish(exchange, "rpc.upper", f"call {number}".encode(),
                              pika.BasicProperties(reply_to=reply_queue, correlation_id=call))
        method, properties, body = next(answers)
        assert method is not None, "no answer"
        assert (properties.correlation_id, body) == (call, f"CALL {number}".encode())
    server.join(20)
    assert not server.is_alive()


def test_direct_reply_to(shared_broker, channel, name):
    """The same without a reply queue: RabbitMQ's amq.rabbitmq.reply-to."""
    exchange, queue, ready = f"{name}.rpc", f"{name}.server", threading.Event()
    server = threading.Thread(target=serve_calls, args=(shared_broker, exchange, queue, ready, 1))
    server.start()
    assert ready.wait(20)
    # pika's generator starts to consume at its first step, and the broker wants
    # the consumer there before the call.
    next(channel.consume("amq.rabbitmq.reply-to", auto_ack=True, inactivity_timeout=0.1))
    answers = channel.consume("amq.rabbitmq.reply-to", auto_ack=True, inactivity_timeout=20)
    channel.basic_publish(exchange, "rpc.upper", b"direct",
                          pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="1"))
    method, properties, body = next(answers)
    assert method is not None, "no answer"
    assert (properties.correlation_id, body) == ("1", b"DIRECT")
    server.join(20)


def test_unroutable_mandatory_comes_back(channel, name):
    """What nobody is bound for is returned to who asked to know."""
    channel.confirm_delivery()
    returned = []
    try:
        channel.basic_publish("", name, b"to nobody", mandatory=True)
    except pika.exceptions.UnroutableError as error:
        returned = error.messages
    assert len(returned) == 1
    assert (returned[0].method.reply_code, returned[0].method.reply_text) == (312, "NO_ROUTE")
    assert returned[0].body == b"to nobody"
