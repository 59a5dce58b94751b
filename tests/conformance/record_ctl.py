"""Writes down what rabbitmqctl answers: `record_ctl.py --port 5673 --ctl PATH`.

Writes tests/recorded/ctl.json, and whole outputs of a few commands as text. With
`--new` only lines that are not in it yet are run and added: for lines at the end
of `ctl_cases.py`, which go by the state that all others leave alone.
"""

import argparse
import json
import os
import pathlib
import re

import ctl_run
import normal
import prepare

FOLDER = pathlib.Path(__file__).parent.parent / "recorded"
WHOLE = ("status", "report", "environment", "cluster_status")


def whole_outputs(folder):
    """A function that saves the long outputs, the broker's own folder replaced."""
    def save(ctl):
        for command in WHOLE:
            out = normal.ctl(prepare.must(ctl, command))
            out = out.replace(folder, "<folder>") if folder else out
            out = re.sub(r"rabbitmq@\S+|\bvm\b", "<host>", out)
            (FOLDER / f"{command}.txt").write_text(out, encoding="utf-8")
    return save


STOPPING = (["ping"], ["stop"], ["ping"], ["status"], ["list_queues"], ["list_users", "-q"],
            ["await_startup", "-t", "1"], ["stop"], ["list_queues", "--formatter", "json"], ["environment"], ["report"], ["version"])


def stopping(ctl, folder):
    """The node's end, and what is said about a node that is down; whole texts, to model ours by."""
    results = []
    for argv in STOPPING:
        code, out, err = (normal.ctl(item) if isinstance(item, str) else item for item in prepare.run(ctl, *argv))
        results.append({"argv": argv, "code": code, "stdout": out, "stderr": err})
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (FOLDER / "stopped.json").write_text((text.replace(folder, "<folder>") if folder else text) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("AMQP_PORT", "5672")))
    parser.add_argument("--ctl", default=os.environ.get("CTL", "rabbitmqctl"))
    parser.add_argument("--folder", default="", help="the broker's data folder, left out of the texts")
    parser.add_argument("--stop", action="store_true", help="only: stop the node, and record stopped.json")
    parser.add_argument("--new", action="store_true", help="only lines that are not recorded yet")
    options = parser.parse_args()
    if options.new:
        return add_new(options.port, options.ctl)
    if options.stop:
        return stopping(options.ctl, options.folder)
    results = ctl_run.play(options.port, options.ctl, whole_outputs(options.folder))
    write(results)
    return print(f"{len(results)} command lines recorded")


def add_new(port, ctl):
    """Lines that are new, run and put into their places; lines that are gone are dropped."""
    recorded = json.loads((FOLDER / "ctl.json").read_text("utf-8"))
    names = [*ctl_run.names(), "what the closed connections heard"]
    new = ctl_run.play(port, ctl, wanted={name for name in names if name not in recorded})
    write({name: {**recorded, **new}[name] for name in names})
    print(f"{len(new)} command lines added")


def write(results):
    """The file, a line's end where a difference shows as one."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(result, indent=1, ensure_ascii=False)}"
                       for name, result in results.items())
    (FOLDER / "ctl.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
