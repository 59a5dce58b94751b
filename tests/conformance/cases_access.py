"""Permissions: who may do what, and the words of a refusal.

`conf-limited` may configure, write and read names matching `^(q|x)\\.ok` only.
"""

from case import case, one

LIMITED = {"user": "conf-limited", "password": "secret"}
EMPTY = {"user": "conf-empty", "password": "secret"}


def held(**args):
    return ("queue.declare", {"queue": "{q}", **args})


def made(**args):
    return ("exchange.declare", {"exchange": "{x}", "type": "direct", **args})


def refused(name, method, other=(), options=None, **args):
    one(f"access-{name}", method, other=other, options=options or LIMITED, **args)


refused("queue-declare", "queue.declare", queue="{q}")
refused("queue-declare-existing", "queue.declare", other=[held()], queue="{q}")
refused("queue-declare-existing-other", "queue.declare", other=[held()], queue="{q}", durable=True)
refused("queue-declare-server-named", "queue.declare", queue="", exclusive=True)
refused("queue-declare-passive", "queue.declare", other=[held()], queue="{q}", passive=True)
refused("queue-declare-passive-missing", "queue.declare", queue="{q}", passive=True)
refused("queue-declare-dead-letter", "queue.declare", queue="q.ok.{q}", auto_delete=True,
        arguments={"x-dead-letter-exchange": "{x}"})
refused("queue-declare-dead-letter-allowed", "queue.declare", queue="q.ok.{q}", auto_delete=True,
        arguments={"x-dead-letter-exchange": "x.ok.{x}"})
refused("queue-declare-allowed", "queue.declare", queue="q.ok.{q}", auto_delete=True)
refused("queue-declare-reserved", "queue.declare", queue="amq.nonsense")
refused("queue-delete", "queue.delete", other=[held()], queue="{q}")
refused("queue-delete-missing", "queue.delete", queue="{q}")
refused("queue-purge", "queue.purge", other=[held()], queue="{q}")
refused("queue-purge-missing", "queue.purge", queue="{q}")
refused("queue-bind", "queue.bind", other=[held(), made()], queue="{q}", exchange="{x}")
refused("queue-bind-missing", "queue.bind", queue="{q}", exchange="{x}")
refused("queue-bind-exchange", "queue.bind", other=[held(queue="q.ok.{q}", auto_delete=True), made()],
        queue="q.ok.{q}", exchange="{x}")
refused("queue-unbind", "queue.unbind", other=[held(), made()], queue="{q}", exchange="{x}")
refused("exchange-declare", "exchange.declare", exchange="{x}", type="direct")
refused("exchange-declare-unknown-type", "exchange.declare", exchange="{x}", type="nonsense")
refused("exchange-declare-existing", "exchange.declare", other=[made()], exchange="{x}", type="direct")
refused("exchange-declare-passive", "exchange.declare", other=[made()], exchange="{x}", type="direct", passive=True)
refused("exchange-declare-alternate", "exchange.declare", exchange="x.ok.{x}", type="direct", auto_delete=True,
        arguments={"alternate-exchange": "{x2}"})
refused("exchange-declare-alternate-allowed", "exchange.declare", exchange="x.ok.{x}", type="direct",
        auto_delete=True, arguments={"alternate-exchange": "x.ok.{x2}"})
refused("exchange-declare-reserved", "exchange.declare", exchange="amq.nonsense", type="direct")
refused("exchange-delete", "exchange.delete", other=[made()], exchange="{x}")
refused("exchange-delete-missing", "exchange.delete", exchange="{x}")
refused("exchange-delete-default", "exchange.delete", exchange="")
refused("exchange-bind", "exchange.bind", other=[made(), made(exchange="{x2}")], destination="{x}", source="{x2}")
refused("exchange-bind-source", "exchange.bind",
        other=[made(exchange="x.ok.{x}", auto_delete=True), made(exchange="{x2}")],
        destination="x.ok.{x}", source="{x2}")
refused("exchange-unbind", "exchange.unbind", other=[made(), made(exchange="{x2}")], destination="{x}", source="{x2}")
refused("consume", "basic.consume", other=[held()], queue="{q}")
refused("consume-missing", "basic.consume", queue="{q}")
refused("get", "basic.get", other=[held()], queue="{q}")
refused("get-missing", "basic.get", queue="{q}")
refused("publish", "publish", other=[made()], exchange="{x}", body=b"m")
refused("publish-missing", "publish", exchange="{x}", body=b"m")
refused("publish-default", "publish", other=[held()], routing_key="{q}", body=b"m")
refused("publish-internal", "publish", other=[made(internal=True)], exchange="{x}", body=b"m")
refused("publish-amq-topic", "publish", exchange="amq.topic", routing_key="k", body=b"m")
refused("reply-to-consume", "basic.consume", queue="amq.rabbitmq.reply-to", no_ack=True, consumer_tag="r")
refused("empty-declare", "queue.declare", options=EMPTY, queue="{q}")
refused("empty-server-named", "queue.declare", options=EMPTY, queue="", exclusive=True)
refused("empty-publish-default", "publish", options=EMPTY, routing_key="{q}", body=b"m")
refused("empty-qos", "basic.qos", options=EMPTY, prefetch_count=1)


@case("access-changed-while-connected")
def changed(trial):
    """Permissions taken away count for an open connection too."""
    trial.ctl_run("add_user", "conf-changing", "secret")
    try:
        trial.ctl_run("set_permissions", "conf-changing", ".*", ".*", ".*")
        connection = trial.connect(user="conf-changing", password="secret")
        trial.do(connection, [held(auto_delete=True)])
        trial.ctl_run("set_permissions", "conf-changing", "", "", "")
        connection.call("channel.open", 2)
        connection.send("queue.declare", 2, queue=trial.name("q2"), auto_delete=True)
        return connection.outcome(channel=2)
    finally:
        trial.ctl_run("delete_user", "conf-changing")


@case("access-user-deleted-while-connected")
def deleted(trial):
    trial.ctl_run("add_user", "conf-leaving", "secret")
    trial.ctl_run("set_permissions", "conf-leaving", ".*", ".*", ".*")
    connection = trial.connect(user="conf-leaving", password="secret")
    trial.ctl_run("delete_user", "conf-leaving")
    return connection.outcome(fence=False, patience=2.0)


@case("access-vhost-deleted-while-connected")
def vhost_deleted(trial):
    trial.ctl_run("add_vhost", "conf-leaving")
    trial.ctl_run("set_permissions", "-p", "conf-leaving", "guest", ".*", ".*", ".*")
    connection = trial.connect(vhost="conf-leaving")
    trial.vhost = "/"
    trial.ctl_run("delete_vhost", "conf-leaving")
    events = connection.outcome(fence=False, patience=4.0)
    for event in events:  # which of the two is chance
        event["reply_text"] = event["reply_text"].replace("is down", "is deleted")
    return events


@case("access-connection-closed-by-operator")
def closed(trial):
    trial.ctl_run("add_vhost", "conf-closing")
    trial.ctl_run("set_permissions", "-p", "conf-closing", "guest", ".*", ".*", ".*")
    try:
        connection = trial.connect(vhost="conf-closing")
        trial.vhost = "/"
        trial.ctl_run("close_all_connections", "-p", "conf-closing", "going down for a reason")
        return connection.outcome(fence=False, patience=4.0)
    finally:
        trial.ctl_run("delete_vhost", "conf-closing")
