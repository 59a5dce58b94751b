"""A data folder of the release before a log's format version 2: everything in it is there, and stays."""
import struct

from old_data import BINDINGS, KEPT, PERMISSIONS, SEGMENT, USERS, body_of, unpack


def on_old_data(make_broker):
    """A broker that runs on it."""
    broker = make_broker(SEGMENT)
    broker.own_process()
    broker.kill()
    for path in sorted(broker.data.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    unpack(broker.data)
    broker.start()
    return broker


def counts(broker):
    """Messages by vhost and queue."""
    return {vhost: {name: int(count) for name, count in broker.rows("list_queues", "-p", vhost, "name", "messages")}
            for vhost in KEPT}


def take(broker, vhost, queue):
    """The numbers of all messages in a queue, which are settled."""
    found = []
    with broker.connect(vhost) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue))[0]:
            method, properties, body = message
            number = struct.unpack_from(">Q", body)[0]
            assert body == body_of(number) and properties.delivery_mode == 2
            assert method.redelivered, "it may have been delivered before the kill"
            assert queue != "urgent" or properties.priority == number
            found.append(number)
            channel.basic_ack(method.delivery_tag)
    return found


def check_definitions(broker):
    """Users, vhosts, permissions, queues, bindings."""
    assert {tuple(row) for row in broker.rows("list_users")} == USERS
    broker.ctl("authenticate_user", "nova", "secret")
    assert broker.ctl("authenticate_user", "nova", "wrong", check=False).returncode == 65
    assert broker.rows("list_vhosts", "name", "description") == [["/", "Default virtual host"], ["tenant", "kept too"]]
    for vhost, granted in PERMISSIONS.items():
        assert {tuple(row) for row in broker.rows("list_permissions", "-p", vhost)} == granted
    assert ["urgent", "true", '[{"x-max-priority",9}]'] in broker.rows("list_queues", "name", "durable", "arguments")
    found = broker.rows("list_bindings", "source_name", "source_kind", "destination_name", "destination_kind", "routing_key")
    assert {tuple(row) for row in found if row[0]} == BINDINGS


def test_all_of_it_is_there_after_each_start(make_broker):
    """As opened, after a kill, and after a clean stop; and when taken out, it stays out."""
    broker = on_old_data(make_broker)
    expected = {vhost: {queue: len(numbers) for queue, numbers in queues.items()} for vhost, queues in KEPT.items()}
    assert (broker.data / "vhosts/0/log/manifest").exists()
    for ending in (broker.kill, broker.kill, broker.stop):
        check_definitions(broker)
        assert counts(broker) == expected
        ending()
        broker.start()
    assert "damage" not in broker.log_text()
    broker.kill()
    broker.start()
    for vhost, queues in KEPT.items():
        for queue, numbers in queues.items():
            assert take(broker, vhost, queue) == numbers, queue
    assert broker.stop() == 0
    broker.start()
    assert counts(broker) == {vhost: dict.fromkeys(queues, 0) for vhost, queues in KEPT.items()}
    check_definitions(broker)


def test_it_is_watched_from_then_on(make_broker):
    """A segment of the older release that is lost after the upgrade is told."""
    broker = on_old_data(make_broker)
    assert broker.stop() == 0
    lost = min((broker.data / "vhosts/0/log").glob("*.seg"))
    lost.unlink()
    try:
        broker.start()
    except RuntimeError as error:
        assert f"{lost} is missing" in str(error)
    else:
        raise AssertionError("started without")
