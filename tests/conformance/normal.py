"""What varies from run to run, replaced by words: one place for all recordings.

Names the server makes up, process ids, client ports, the node's name. Applied
to what is recorded and to what is compared, so that both sides look alike.
"""

import re

RULES = [
    (re.compile(r"amq\.gen-[A-Za-z0-9_-]{22}"), "amq.gen-<random>"),
    (re.compile(r"amq\.ctag-[A-Za-z0-9_-]{22}"), "amq.ctag-<random>"),
    (re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9_+/=.-]+"), "amq.rabbitmq.reply-to.<token>"),
    (re.compile(r"<[A-Za-z0-9_.@-]+\.\d+\.\d+\.\d+>"), "<pid>"),
    (re.compile(r"<\d+\.\d+\.\d+>"), "<pid>"),
    (re.compile(r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+"), "<client> -> <server>"),
    (re.compile(r"rabbit@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*"), "<node>"),
]


def text(value):
    """`value` with everything that varies replaced."""
    for pattern, word in RULES:
        value = pattern.sub(word, value)
    return value


def tree(value):
    """The same for every string inside lists and dictionaries."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (list, tuple)):
        return [tree(item) for item in value]
    if isinstance(value, dict):
        return {key: tree(item) for key, item in value.items()}
    return value

# In rabbitmqctl's words there are also a data folder's paths and the tool's own node.
CTL_RULES = [
    (re.compile(r"rabbitmqcli-\d+-<node>"), "rabbitmqcli-<n>-<node>"),
    (re.compile(r"rabbitmqcli-\d+-rabbit@\w+"), "rabbitmqcli-<n>-<node>"),
    (re.compile(r"Erlang cookie hash: \S+"), "Erlang cookie hash: <hash>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
]


def ctl(value):
    """rabbitmqctl's output with everything that varies replaced."""
    for pattern, word in CTL_RULES[:1]:
        value = pattern.sub(word, value)
    value = text(value)
    for pattern, word in CTL_RULES:
        value = pattern.sub(word, value)
    return value
