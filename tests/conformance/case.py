"""What a protocol case is, and how one is run.

A case sets up its own state on connections of its own, does one thing, and
returns the events that came back. Names of queues and exchanges contain the
case's name, so that cases can run side by side; they are deleted afterwards.
In arguments `{q}`, `{x}`, `{q2}`... stand for such names.
"""

import contextlib
import fcntl
import pathlib
import tempfile
import threading

import normal
import prepare
import wire
from client import Connection, Unexpected

CASES = {}


class Trial:
    """One run of one case: connections and names, cleaned up at the end."""

    def __init__(self, case, port, ctl=None):
        self.case, self.port, self.ctl = case, port, ctl
        self.connections, self.made, self.vhost = [], set(), "/"

    def name(self, key):
        """`q` -> the queue `q.CASE`; `x` -> the exchange `x.CASE`; remembered for the clean-up."""
        name = f"{key}.{self.case.name}"
        self.made.add(("queue" if key.startswith("q") else "exchange", name))
        return name

    def note(self, method, args):
        """Remembers what a declaration makes, under whatever name."""
        kind = method.removesuffix(".declare")
        name = args.get(kind)
        if method != kind and name and not args.get("passive") and not name[:4] in ("amq.", b"amq."):
            self.made.add((kind, name))

    def fill(self, value):
        """`{q}` in strings, also inside tables, replaced by names."""
        if isinstance(value, str) and "{" in value:
            for key in ("q", "q2", "q3", "x", "x2", "x3"):
                if "{%s}" % key in value:
                    value = value.replace("{%s}" % key, self.name(key))
            return value
        if type(value) is dict:
            return {key: self.fill(item) for key, item in value.items()}
        return value

    def socket(self):
        connection = Connection(self.port)
        self.connections.append(connection)
        return connection

    def connect(self, **options):
        self.vhost = options.get("vhost", "/")
        return self.socket().opened(**options)

    def ctl_run(self, *args):
        """rabbitmqctl in the middle of a case; must succeed."""
        return prepare.must(self.ctl, *args)

    def do(self, connection, steps):
        """Set-up steps: `(method, arguments)`, or `("publish", ...)`."""
        for method, args in steps:
            args = {key: self.fill(value) for key, value in args.items()}
            self.note(method, args)
            if method == "publish":
                connection.publish(**args)
            else:
                connection.call(method, **args)

    def clean_up(self):
        for connection in self.connections:
            connection.close()
        if not self.made:
            return
        broom = Connection(self.port).opened(vhost=self.vhost)
        for kind, name in sorted(self.made, key=str):
            if wire.is_utf8(name):
                broom.call(f"{kind}.delete", **{kind: name})
        broom.close()


class Case:
    """A name, the function that plays it, and what it needs of the broker."""

    def __init__(self, name, play, needs=(), alone=False):
        self.name, self.play, self.needs, self.alone = name, play, tuple(needs), alone

    def run(self, port, ctl=None):
        """The normalised events, or a note of the set-up step that failed."""
        with turn(port, fcntl.LOCK_EX if self.alone else fcntl.LOCK_SH):
            return self.play_once(port, ctl)

    def play_once(self, port, ctl):
        trial = Trial(self, port, ctl)
        try:
            return normal.tree(self.play(trial))
        except Unexpected as unexpected:
            return [{"setup_failed": normal.text(str(unexpected))}]
        finally:
            trial.clean_up()


@contextlib.contextmanager
def turn(port, how):
    """Cases marked `alone` disturb the whole broker: they run beside no other, in whatever process."""
    with open(pathlib.Path(tempfile.gettempdir()) / f"conformance-{port}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, how)
        yield


def case(name, **options):
    """Registers the decorated function `play(trial) -> events`."""
    def register(play):
        assert name not in CASES, name
        CASES[name] = Case(name, play, **options)
        return play
    return register


def one(name, method, before=(), other=(), options=None, fence=True, until=None, needs=(), **args):
    """A case of one method: `before` on the same channel, `other` on a second connection first."""
    if method in ("basic.consume", "basic.cancel") and not args.get("nowait"):
        fence, until = False, f"{method}-ok"  # answered by the queue, at its own time: no fence tells

    def play(trial):
        if other:
            trial.do(trial.connect(), other)
        connection = trial.connect(**(options or {}))
        trial.do(connection, before)
        filled = {key: trial.fill(value) for key, value in args.items()}
        trial.note(method, filled)
        if method == "publish":
            connection.publish(**filled)
        else:
            connection.send(method, **filled)
        return connection.outcome(channel=args.get("channel", 1) or 1, fence=fence, until=until)
    case(name, needs=needs)(play)


def run_all(names, port, ctl=None, workers=6):
    """Every named case, several at a time; those marked `alone` after the others."""
    results, lock = {}, threading.Lock()
    queue = [name for name in names if not CASES[name].alone]

    def work():
        while True:
            with lock:
                if not queue:
                    return
                name = queue.pop(0)
            outcome = guarded(name, port, ctl)
            with lock:
                results[name] = outcome

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        if CASES[name].alone:
            results[name] = guarded(name, port, ctl)
    return {name: results[name] for name in names}


def guarded(name, port, ctl):
    try:
        return CASES[name].run(port, ctl)
    except Exception as error:  # a broken case must not stop the recording of others
        return [{"case_failed": f"{type(error).__name__}: {error}"}]
