"""A broker under test: starts the real binary on a port and folder of its own.

The binary is AILERON_BIN, else the newest build under the target folder. Where
AMQP_PORT is set, a broker that already runs there is used instead (its
rabbitmqctl by CTL): so the tests can be tried against RabbitMQ. What needs to
kill or restart it is then skipped.
"""
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pika
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
READY_SECONDS = 30
# Below the range that outgoing connections take theirs from, so that a restart
# finds its port free.
PORTS = (20000, 32000)


def binary():
    """Path of the program under test."""
    if "AILERON_BIN" in os.environ:
        return Path(os.environ["AILERON_BIN"])
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [target / profile / "aileron" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        pytest.fail("no binary: cargo build -p aileron, or set AILERON_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Broker:
    """One broker process with its data folder, port and rabbitmqctl."""

    def __init__(self, folder, settings=(), environment=None):
        self.environment = os.environ | (environment or {})
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.log = self.folder / "broker.log"
        self.settings = list(settings)
        self.process = None
        self.external = "AMQP_PORT" in os.environ
        self.port = int(os.environ["AMQP_PORT"]) if self.external else free_port()
        if self.external:
            self.ctl_command = os.environ.get("CTL", "rabbitmqctl")
        else:
            link = self.folder / "rabbitmqctl"
            if not link.is_symlink():
                link.symlink_to(binary())
            self.ctl_command = str(link)
        self.ctl_environment = os.environ | {"AILERON_CTL_SOCKET": str(self.data / "ctl.sock")}

    # Life

    def command(self):
        """The command line that serves."""
        listen = f'broker.listen=["127.0.0.1:{self.port}"]'
        command = [str(binary()), "serve", "--data-dir", str(self.data), "--set", listen]
        for setting in self.settings:
            command += ["--set", setting]
        return command

    def start(self, seconds=READY_SECONDS):
        """Starts the process, waits until it says it is ready; seconds it took."""
        if self.external:
            return 0.0
        assert self.process is None, "runs already"
        begin, seen = time.monotonic(), self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.environment)
        while True:
            text = self.log.read_bytes()[seen:].decode(errors="replace")
            if re.search(r"^aileron: ready", text, re.M):
                return time.monotonic() - begin
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                # What it said last may have come after the look at the log.
                text = self.log.read_bytes()[seen:].decode(errors="replace")
                raise RuntimeError(f"broker ended with {code} before it was ready:\n{text[-4000:]}")
            if time.monotonic() - begin > seconds:
                self.kill()
                raise RuntimeError(f"broker not ready in {seconds} s:\n{text[-4000:]}")
            time.sleep(0.01)

    def own_process(self):
        """The process; skips the test where the broker is somebody else's."""
        if self.external:
            pytest.skip("needs a broker that the test may stop")
        assert self.process is not None, "does not run"
        return self.process

    def kill(self):
        """kill -9: no chance to tidy up."""
        process = self.own_process()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        self.process = None

    def stop(self, how=signal.SIGTERM, seconds=30):
        """Asks it to stop; returns its exit code."""
        process = self.own_process()
        process.send_signal(how)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
            raise RuntimeError(f"broker did not stop in {seconds} s:\n{self.log_text()[-4000:]}") from None
        finally:
            self.process = None

    def restart(self):
        """A clean stop and start; seconds the start took."""
        assert self.stop() == 0, self.log_text()[-4000:]
        return self.start()

    def close(self):
        """Ends the process, if any, whatever state it is in."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    # Looking at it

    def log_text(self):
        """All that it wrote since it was first started, without colours."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def memory(self):
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.own_process().pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def store_bytes(self):
        """What the data folder takes on the disk."""
        return sum(path.stat().st_blocks * 512 for path in self.data.rglob("*") if path.is_file())

    # Talking to it

    def ctl(self, *arguments, check=True, seconds=60):
        """Runs rabbitmqctl; the finished process, text in and out."""
        done = subprocess.run([self.ctl_command, *arguments], capture_output=True, text=True,
                              timeout=seconds, stdin=subprocess.DEVNULL, env=self.ctl_environment)
        if check and done.returncode != 0:
            raise AssertionError(f"rabbitmqctl {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def rows(self, *arguments):
        """Rows of a listing command, each a list of cells."""
        out = self.ctl("-q", *arguments, "--no-table-headers").stdout
        return [line.split("\t") for line in out.splitlines()]

    def url(self, scheme="amqp", vhost="%2F"):
        """The address for a client."""
        return f"{scheme}://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def connect(self, vhost="/", **more):
        """A blocking pika connection."""
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, vhost, pika.PlainCredentials("guest", "guest"),
            **{"socket_timeout": 30, "blocked_connection_timeout": 60, **more}))

    def socket(self, seconds=10):
        """A plain connection for bytes of one's own."""
        return socket.create_connection(("127.0.0.1", self.port), seconds)
