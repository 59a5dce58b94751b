"""lapin's own tests (Rust), from its crate, twice on one broker."""
import re
import socket

import pytest
from suite import WORK, Outcome, crate_source, run, tail

# Without TLS (its default), whose C code takes most of the time to compile and
# which no test uses.
CARGO_TEST = ["cargo", "test", "--locked", "--no-default-features", "--features", "tokio", "--tests"]
BUILD = {"CARGO_TARGET_DIR": WORK / "target", "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_TEST_DEBUG": "0"}


def somebody_listens(port):
    """True when a connection to this port of localhost is taken."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lapin_run(suite, source, broker):
    """One run; cargo's test harness is read line by line."""
    log = WORK / f"{suite.replace('/', '-')}.log"
    run([*CARGO_TEST, "--no-fail-fast", "--", "--test-threads=4"], log, 300, source,
        AMQP_ADDR=broker.url(vhost="%2f"), **BUILD)
    outcome, program = Outcome(suite, log=log), ""
    for line in log.read_text(errors="replace").splitlines():
        if found := re.match(r" *Running (?:unittests )?(?:src|tests)/(\w+)\.rs", line):
            program = found.group(1)
        elif found := re.match(r"test (\S+) \.\.\. (ok|FAILED|ignored)", line):
            test, word = f"{program}::{found.group(1)}", found.group(2)
            outcome.passed += word == "ok"
            outcome.skipped += word == "ignored"
            if word == "FAILED":
                outcome.failed.append(test)
    # That test wants nobody on port 5673 of this machine.
    if "conn_refused::connection" in outcome.failed and somebody_listens(5673):
        outcome.failed.remove("conn_refused::connection")
        outcome.skipped += 1
    return outcome


@pytest.mark.xdist_group("lapin")
def test_lapin(broker, report):
    """34 tests: 18 without a broker, 16 with one."""
    source = crate_source("lapin", "4.12.3")
    log = WORK / "lapin-build.log"
    assert run([*CARGO_TEST, "--no-run"], log, 1200, source, **BUILD) == 0, tail(log)
    outcomes = [report(lapin_run(f"lapin/{n}", source, broker)) for n in (1, 2)]
    for outcome in outcomes:
        outcome.check()
