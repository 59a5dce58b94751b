"""rabbitmqctl's command lines against a broker, compared with RabbitMQ 3.10.8's.

Environment: AMQP_PORT (default 5672), CTL (default `rabbitmqctl`). The lines
are run once, in order, on a state of their own (`ctl_state.py`); each is a
test. `ctl_differences.py` has what may differ, with the reason.
"""

import json
import os
import pathlib
import socket

import pytest

import ctl_run
from ctl_differences import DIFFERENCES, LOOSE

PORT = int(os.environ.get("AMQP_PORT", "5672"))
CTL = os.environ.get("CTL", "rabbitmqctl")
RECORDED = json.loads((pathlib.Path(__file__).parent.parent / "recorded" / "ctl.json").read_text("utf-8"))

pytestmark = pytest.mark.xdist_group("ctl")


@pytest.fixture(scope="module")
def results():
    """Every line's result, name -> result."""
    try:
        socket.create_connection(("127.0.0.1", PORT), timeout=2).close()
    except OSError:
        pytest.skip(f"no broker on port {PORT}")
    return ctl_run.play(PORT, CTL)


def shown(result):
    return "\n".join(f"{key}: {value}" for key, value in result.items())


@pytest.mark.parametrize("name", list(RECORDED))
def test_line(name, results):
    wanted, got = RECORDED[name], results[name]
    if name in DIFFERENCES and DIFFERENCES[name][1](got):
        return
    loose = next((alike for concerns, _, alike in LOOSE if concerns(name)), None)
    if loose and wanted["code"] == got["code"] == 0 and wanted.get("stderr") == got.get("stderr") and loose(wanted, got):
        return
    assert ctl_run.alike(wanted, got), f"wanted:\n{shown(wanted)}\n\ngot:\n{shown(got)}"


def test_all_recorded():
    assert sorted(RECORDED) == sorted([*ctl_run.names(), "what the closed connections heard"])
