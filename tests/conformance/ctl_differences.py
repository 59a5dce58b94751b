"""Where our rabbitmqctl answers otherwise than 3.10.8's.

`DIFFERENCES`: on purpose. Name of the line -> `(reason, a test of our result)`. Each
is named in docs/compatibility.md too; what is not here must be as recorded.
`LOOSE`: what RabbitMQ itself does not promise, or the recorded node had by accident:
`(which lines, reason, a test of recorded and our result)`.
"""

import collections
import re


def refused(result):
    return result["code"] != 0


def works(result):
    return result["code"] == 0


DIFFERENCES = {
    "'list_queues', '--formatter', 'nonsense'": ("RabbitMQ shows a stack trace and exits 1", refused),
    "'list_queues', '-t', '-5'": ("RabbitMQ shows a stack trace", refused),
    **dict.fromkeys(
        [f"'import_definitions'{quiet} < '{{}}'" for quiet in ("", ", '-q'")],
        ("an import is done when it is answered, and says so", works)),
    "'import_definitions', '-' < '{}'": ("- is standard input, as the usage has it", works),
    "'await_online_nodes', '2', '-t', '1'": ("a node stands alone: nobody will come", refused),
    **dict.fromkeys(["'node_health_check'", "'node_health_check', '-t', '30'"],
                    ("no warning on standard error; without -t it ends after ten seconds", works)),
    "'-n', 'nope@localhost', 'ping'": ("a health check ends after ten seconds", refused),
    "'-l', 'ping'": ("there is no Erlang distribution to fail for a short host name", works),
}


def lines(result):
    """The lines of an answer, however often each; a JSON row's leading comma is layout."""
    return collections.Counter(line.removeprefix(",") for line in result["stdout"].split("\n"))


def same_lines(wanted, got):
    return lines(wanted) == lines(got)


def nameless(line):
    """A row of the nameless vhost that the recorded node had, in any format."""
    return '"name":""' in line or not re.search("[a-z]{3}", re.sub("\x1b.0.*?\x1b.B|true|false|undefined", "", line)) \
        or "vhost  ..." in line or "vhost ..." in line or 'vhost "" ...' in line


def without_the_nameless_vhost(wanted, got):
    return not lines(got) - lines(wanted) and all(map(nameless, lines(wanted) - lines(got)))


def same_but_closing(wanted, got):
    """A connection that was told to close may still be listed or not: its client does not answer."""
    closing = {"conf-ctl-user\tconf-ctl", "guest\tconf-one"}
    return {*lines(wanted)} - closing == {*lines(got)} - closing


def same_but_single_active(wanted, got):
    """All but the second consumer of the queue with a single active one."""
    others = [{line for line in lines(result) if not line.startswith(("q-single", "waiting", "active\t"))} for result in (wanted, got)]
    return others[0] == others[1]


def same_json(wanted, got):
    """RabbitMQ writes \\u1000 for the character 1: no JSON of what was sent. Ours is."""
    mended = {**wanted, "stdout": wanted["stdout"].replace("\\u1000", "\\u0001")}
    return same_lines(mended, got)


def about(*words):
    return lambda name: all(word in name for word in words)


def same_but_patience(wanted, got):
    """A health check waits ten seconds where nothing else is said; RabbitMQ's a minute."""
    limits = re.compile(r"Timeout: (60000|10000) ms")
    return limits.sub("Timeout", wanted["stdout"]) == limits.sub("Timeout", got["stdout"])


LOOSE = (
    (about("'ping'"), "a health check ends after ten seconds", same_but_patience),
    (about("'list_vhosts'"), "the recorded node had a vhost without a name", without_the_nameless_vhost),
    (about("'report'"), "the recorded node had a vhost without a name; order", without_the_nameless_vhost),
    (about("'list_connections', '-q', 'user', 'vhost'"), "time", same_but_closing),
    (about("'list_consumers'"), "single active consumers come with the next issue", same_but_single_active),
    (about("'list_queues'", "json"), "RabbitMQ's control characters are no JSON", same_json),
    (about("'list_queues'"), "no order is promised", same_lines),
)
