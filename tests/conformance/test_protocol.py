"""Every protocol case against a broker, compared with what RabbitMQ 3.10.8 said.

Environment: AMQP_PORT (default 5672), CTL (default `rabbitmqctl`). Without a
broker on that port the tests are skipped. `differences.py` has what may differ.
"""

import fcntl
import json
import os
import pathlib
import socket

import pytest

import prepare
from all_cases import CASES
from case import turn
from differences import LATER, verdict

PORT = int(os.environ.get("AMQP_PORT", "5672"))
CTL = os.environ.get("CTL", "rabbitmqctl")
RECORDED = json.loads((pathlib.Path(__file__).parent.parent / "recorded" / "protocol.json").read_text("utf-8"))


@pytest.fixture(scope="session", autouse=True)
def users():
    """The users and vhosts the cases need; with several workers each makes them anew, none removes them."""
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=2).close()
    except OSError:
        pytest.skip(f"no broker on port {PORT}")
    with turn(PORT, fcntl.LOCK_EX):
        prepare.set_up(CTL, again="PYTEST_XDIST_WORKER" not in os.environ)
    yield
    if "PYTEST_XDIST_WORKER" not in os.environ:
        prepare.tear_down(CTL)


def shown(events):
    return "\n".join(json.dumps(event, ensure_ascii=False) for event in events)


@pytest.mark.parametrize("name", list(CASES))
def test_case(name):
    if name in LATER:
        pytest.skip(LATER[name])
    case = CASES[name]
    lacking = [command for command in case.needs if prepare.run(CTL, "help", command)[0]]
    if lacking:
        pytest.skip(f"needs rabbitmqctl {lacking[0]}")
    heard = case.run(PORT, CTL)
    wanted = verdict(name, RECORDED[name], heard)
    assert wanted is None, f"wanted:\n{shown(wanted)}\nheard:\n{shown(heard)}"


def test_all_recorded():
    assert sorted(RECORDED) == sorted(CASES)
