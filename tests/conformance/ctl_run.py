"""Plays the command lines of `ctl_cases.py` against one rabbitmqctl, and makes the results comparable."""

import concurrent.futures
import fcntl
import re
import subprocess

import ctl_cases
import ctl_state
import normal
import prepare
from case import turn

BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m")


def names():
    """One name a case: its command line, numbered where it comes again."""
    seen, out = {}, []
    for case in ctl_cases.CASES:
        line = repr(case["argv"])[1:-1] + (" < " + repr(case["stdin"]) if case["stdin"] is not None else "")
        seen[line] = seen.get(line, 0) + 1
        out.append(line if seen[line] == 1 else f"{line} #{seen[line]}")
    return out


def play(port, ctl, extras=None, wanted=None):
    """Every case in order (or those that are `wanted`), on the state of `ctl_state`: name -> result. Nothing else runs
    meanwhile."""
    with turn(port, fcntl.LOCK_EX):
        prepare.tear_down(ctl)
        state = ctl_state.State(port, ctl)
        try:
            state.build()
            pid = other_pid(ctl)
            if extras:
                extras(ctl)
            results = in_order(ctl, pid, wanted)
            if wanted is not None:
                return results
            results["what the closed connections heard"] = {
                "argv": [], "how": "exact", "code": 0, "stdout": "", "stderr": "",
                "heard": [normal.tree(heard(connection)) for connection in (state.second, state.connections[1])]}
            return results
        finally:
            state.remove()
            prepare.set_up(ctl)


def in_order(ctl, pid, wanted=None):
    """Commands that only look run a few at a time; one that acts runs alone, in its turn."""
    results, cases = [], list(zip(names(), ctl_cases.CASES))
    cases = [(name, case) for name, case in cases if wanted is None or name in wanted]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _, case in cases:
            if looks(case["argv"]):
                results.append(pool.submit(once, ctl, case, pid))
            else:
                concurrent.futures.wait(results)
                results.append(pool.submit(once, ctl, case, pid))
                concurrent.futures.wait(results)
    return {name: result.result() for (name, _), result in zip(cases, results)}


def looks(argv):
    """Whether a command line changes nothing."""
    return any(arg.startswith(("list_", "help", "--help", "status", "environment", "report", "version", "ping",
                               "--nonsense")) for arg in argv)


def heard(connection):
    """The close a connection was sent."""
    event = connection.next(2.0)
    connection.send("connection.close-ok", 0)
    connection.shut()
    return event


def other_pid(ctl):
    """The process id rabbitmqctl shows for the second user's connection."""
    rows = prepare.must(ctl, "list_connections", "-q", "--no-table-headers", "user", "pid").splitlines()
    return next(row.split("\t")[1] for row in rows if row.startswith(ctl_state.USER))


def once(ctl, case, pid):
    argv = [arg.replace("{pid}", pid) for arg in case["argv"]]
    done = subprocess.run([ctl, *argv], capture_output=True, text=True, timeout=90, check=False,
                          input=case["stdin"] or "")
    return reduced(case, done.returncode, done.stdout, done.stderr)


def reduced(case, code, out, err):
    """What is kept of a result, by how it is compared."""
    how = case["how"]
    result = {"argv": case["argv"], "how": how, "code": code}
    if how == "exact" or how == "rows":
        result.update(stdout=masked(case["argv"], normal.ctl(out)), stderr=normal.ctl(err))
    elif how == "first":
        result.update(stdout=first(normal.ctl(out)), stderr=first(normal.ctl(err)))
    elif how == "usage":
        result["stdout"] = "\n".join(line for line in out.splitlines() if line.startswith("rabbitmqctl ["))
    elif how == "shape":
        result["stdout"] = "\n".join(headings(normal.ctl(out)))
    return result


def first(text):
    """The first line that says something."""
    return next((line for line in text.splitlines() if line.strip()), "")


def headings(text):
    """Bold headings and lines that announce a part (`Listing ...`)."""
    found = []
    for line in text.splitlines():
        bold = BOLD.search(line)
        if bold:
            found.append(bold[1])
        elif line.endswith("...") and line not in found:
            found.append(line)
    return found


def masked(argv, out):
    """Volatile columns' values replaced, in tab-separated and JSON rows."""
    columns = [arg for arg in argv if arg in ctl_cases.MASKED]
    if argv and "list_connections" in argv and not any(arg in ctl_cases.CONNECTION_COLUMNS for arg in argv):
        columns = ["peer_port"]
    for column in columns:
        out = re.sub(rf'"{column}":("[^"]*"|[^,}}]*)', f'"{column}":"*"', out)
    if "--formatter" in argv and "table" not in argv:
        return out
    lines = out.split("\n")
    head = next((index for index, line in enumerate(lines) if set(line.split("\t")) & set(columns)), None)
    if head is None:
        return out
    titles = lines[head].split("\t")
    for index in range(head + 1, len(lines)):
        cells = lines[index].split("\t")
        if len(cells) == len(titles):
            lines[index] = "\t".join("*" if title in columns and cell not in ("", "<pid>") else cell
                                     for title, cell in zip(titles, cells))
    return "\n".join(lines)


def alike(wanted, got):
    """Whether a result is as recorded."""
    if wanted["how"] != "rows":
        return {**wanted, "argv": 0} == {**got, "argv": 0}
    return (wanted["code"], wanted["stderr"], rows(wanted["stdout"])) == (got["code"], got["stderr"], rows(got["stdout"]))


def rows(out):
    """Lines in a settled order; a JSON row's leading comma is layout between rows."""
    return sorted(line.removeprefix(",") for line in out.split("\n"))
