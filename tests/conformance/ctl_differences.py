"""Where our rabbitmqctl answers otherwise than 3.10.8's on purpose.

Name of the line -> `(reason, a test of our result)`. Each is named in
docs/compatibility.md too; what is not here must be as recorded.
"""


def refused(result):
    return result["code"] != 0


DIFFERENCES = {
    "'list_queues', '--formatter', 'nonsense'": ("RabbitMQ shows a stack trace and exits 1", refused),
    "'list_queues', '-t', '-5'": ("RabbitMQ shows a stack trace", refused),
}
