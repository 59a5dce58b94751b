"""Writes down what rabbitmqctl answers: `record_ctl.py --port 5673 --ctl PATH`.

Writes tests/recorded/ctl.json, and whole outputs of a few commands as text.
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
    options = parser.parse_args()
    if options.stop:
        return stopping(options.ctl, options.folder)
    results = ctl_run.play(options.port, options.ctl, whole_outputs(options.folder))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(result, indent=1, ensure_ascii=False)}"
                       for name, result in results.items())
    (FOLDER / "ctl.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    return print(f"{len(results)} command lines recorded")


if __name__ == "__main__":
    main()
