"""Writes down what a broker answers to every case: `record.py --port 5673`.

The result, tests/recorded/protocol.json, is what test_protocol.py compares
other brokers with. `--only WORD` runs the cases whose name contains WORD and
prints them instead of writing.
"""

import argparse
import json
import os
import pathlib

import prepare
from all_cases import CASES
from case import run_all

TARGET = pathlib.Path(__file__).parent.parent / "recorded" / "protocol.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("AMQP_PORT", "5672")))
    parser.add_argument("--ctl", default=os.environ.get("CTL", "rabbitmqctl"))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    names = [name for name in CASES if options.only in name]
    prepare.set_up(options.ctl)
    try:
        results = run_all(names, options.port, options.ctl)
    finally:
        prepare.tear_down(options.ctl)
    if options.only:
        for name, events in results.items():
            print(f"{name}:", *(json.dumps(event, ensure_ascii=False) for event in events), sep="\n    ")
        return
    lines = ",\n".join(f"{json.dumps(name)}: {dump(events)}" for name, events in results.items())
    TARGET.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    failed = [name for name, events in results.items() if not events or "_failed" in str(events[0])]
    print(f"{len(results)} cases recorded, {len(failed)} of them failed in their set-up: {failed}")


def dump(events):
    """One event a line, so that a difference shows as a line."""
    return "[\n" + ",\n".join("  " + json.dumps(event, ensure_ascii=False) for event in events) + "\n]"


if __name__ == "__main__":
    main()
