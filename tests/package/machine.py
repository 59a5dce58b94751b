"""A virtual machine: qemu on a snapshot of the base image, spoken to over ssh.

Its network is qemu's own, forwarded from ports of this host's loopback; nothing
else of this host is reachable from it or changed by it. With hardware support
(the processor's flag and /dev/kvm) it runs at full speed, without in emulation.
"""
import os
import random
import re
import shlex
import socket
import subprocess
import time
from pathlib import Path

BOOT_SECONDS = 600
ADDRESS = "10.0.2.15"
# Below the range that outgoing connections take theirs from.
PORTS = (20000, 32000)


def accelerator():
    """kvm where it works. A /dev/kvm without the flag belongs to somebody else's machinery."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    has_flag = flags is not None and {"vmx", "svm"} & set(flags.group(1).split())
    return "kvm" if has_flag and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Machine:
    """One virtual machine with its ssh connection and forwarded ports."""

    def __init__(self, image, folder, forwarded):
        self.image, self.folder = image, Path(folder)
        self.ports = {port: free_port() for port in (22, *forwarded)}
        self.console = self.folder / "console.log"
        self.process = None

    def start(self):
        """Starts the machine; returns when it takes commands."""
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-{ADDRESS}:{there}" for there, here in self.ports.items())
        accel = accelerator()
        command = ["qemu-system-x86_64", "-accel", accel, "-cpu", "host" if accel == "kvm" else "qemu64",
                   "-m", "1024", "-smp", "2", "-nographic", "-nodefaults", "-serial", f"file:{self.console}",
                   "-kernel", self.image.kernel, "-initrd", self.image.initrd,
                   "-append", "root=/dev/vda rw console=ttyS0 quiet",
                   "-drive", f"file={self.image.disk},if=virtio,format=raw,snapshot=on",
                   "-nic", f"user,model=virtio,restrict=on,{forwards}"]
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=os.environ | {"TMPDIR": str(self.folder)})
        self.await_boot()

    def close(self):
        """Ends the machine and its ssh connection."""
        self.hang_up()
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def await_boot(self, other_than=None):
        """Waits until the machine takes commands, after a reboot with another boot id; returns that."""
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            done = self.ssh("cat /proc/sys/kernel/random/boot_id && systemctl is-system-running --wait", seconds=120)
            if done is not None and (words := done.stdout.split()) and words[0] != other_than and len(words) > 1:
                return words[0]
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "qemu.log").read_text() + self.console.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"the machine does not take commands:\n{text}")
            self.hang_up()
            time.sleep(1)

    def reboot(self):
        """Has the machine shut down in order and start again."""
        before = self.run("cat /proc/sys/kernel/random/boot_id").strip()
        self.ssh("systemctl reboot", seconds=60)
        self.hang_up()
        self.await_boot(other_than=before)

    # Commands

    def options(self):
        """ssh's options: this machine's key, one connection for all commands."""
        given = {"IdentityFile": self.image.key, "UserKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no",
                 "LogLevel": "ERROR", "ConnectTimeout": 15, "BatchMode": "yes", "ControlMaster": "auto",
                 "ControlPath": self.folder / "ssh", "ControlPersist": 600}
        return [word for name, value in given.items() for word in ("-o", f"{name}={value}")]

    def ssh(self, command, seconds=120, stdin=None):
        """Runs a shell command in the machine; None if there was no answer in time."""
        line = ["ssh", "-F", "none", *self.options(), "-p", str(self.ports[22]), "root@127.0.0.1", command]
        source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        try:
            # Files, not pipes: the connection that stays behind would hold a pipe open.
            with open(self.folder / "out", "w+b") as out, open(self.folder / "err", "w+b") as err:
                done = subprocess.run(line, stdout=out, stderr=err, timeout=seconds, check=False, **source)
                for stream in (out, err):
                    stream.seek(0)
                texts = [stream.read().decode(errors="replace") for stream in (out, err)]
        except subprocess.TimeoutExpired:
            return None
        return subprocess.CompletedProcess(command, done.returncode, *texts)

    def run(self, command, code=0, seconds=120, stdin=None):
        """Runs a shell command in the machine that must end with a code; its output."""
        done = self.ssh(command, seconds, stdin)
        assert done is not None, f"no answer in {seconds} s: {command}"
        assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def send(self, path):
        """Copies a file into the machine's /root; its path there."""
        there = f"/root/{Path(path).name}"
        self.run(f"cat > {shlex.quote(there)}", stdin=Path(path).read_bytes())
        return there

    def hang_up(self):
        """Ends the ssh connection, if there is one."""
        subprocess.run(["ssh", "-F", "none", *self.options(), "-O", "exit", "root@127.0.0.1"],
                       capture_output=True, timeout=30, check=False)

    # Services

    def show(self, unit, *properties):
        """Properties of a unit, as text by name."""
        lines = self.run(f"systemctl show {unit} --property={','.join(properties)}").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def wait_for(self, what, seconds, ask):
        """Asks until the answer is true; it is returned."""
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}\n{self.journal()}"
            time.sleep(0.5)
        return answer

    def journal(self):
        """The last of what the service said."""
        done = self.ssh("journalctl --no-pager -n 60 -u aileron")
        return done.stdout if done else ""
