"""The disk that virtual machines start from: a Debian 12 with systemd and a kernel.

Made once by mmdebstrap and kept under .work/vm by the recipe's hash; machines
write to snapshots of it only. Inside: networkd for qemu's user network, an ssh
server that lets root in with the key made beside the image.
"""
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PACKAGES = ("systemd-sysv", "dbus", "udev", "linux-image-cloud-amd64", "initramfs-tools", "openssh-server",
            "iproute2", "procps")
DISK = "3G"
FILES = {
    "etc/systemd/network/user.network":
        "[Match]\nName=e*\n\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
    "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
    "etc/hostname": "controller0\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 controller0\n",
}
# The programs this needs, with the packages that have them.
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-system-x86_64": "qemu-system-x86",
         "ssh": "openssh-client"}


class Image:
    """Paths of the disk, the kernel, its first file system and the key for root."""

    def __init__(self, folder):
        self.disk, self.kernel = folder / "disk.img", folder / "vmlinuz"
        self.initrd, self.key = folder / "initrd", folder / "key"


def missing_tools():
    """Packages that have to be installed first."""
    return [package for tool, package in TOOLS.items() if not shutil.which(tool, path=os.environ["PATH"] + ":/sbin")]


def base_image():
    """The image; made if the recipe has no image yet."""
    recipe = repr((SUITE, PACKAGES, DISK, sorted(FILES.items()))).encode() + Path(__file__).read_bytes()
    folder = REPOSITORY / ".work" / "vm" / hashlib.sha256(recipe).hexdigest()[:16]
    if not folder.exists():
        made = folder.with_suffix(f".{os.getpid()}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        try:
            make(made)
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return Image(folder)


def make(folder):
    """Makes image, kernel and key in a folder."""
    image, root = Image(folder), folder / "root"
    run("mmdebstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), SUITE, root)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", image.key)
    keys = root / "root" / ".ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(image.key.with_suffix(".pub"), keys / "authorized_keys")
    for unit in ("systemd-networkd.service", "systemd-networkd-wait-online.service"):
        run("systemctl", "--root", root, "enable", "--quiet", unit)
    # Nothing that works in the background while the tests look at the clock.
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"):
        run("systemctl", "--root", root, "mask", "--quiet", unit)
    for path, target in (("vmlinuz", image.kernel), ("initrd.img", image.initrd)):
        shutil.copy(root / path, target)
    run("mke2fs", "-q", "-t", "ext4", "-d", root, image.disk, DISK)
    shutil.rmtree(root)


def run(*command):
    """Runs a step of the recipe; its output is shown when it fails."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900,
                          stdin=subprocess.DEVNULL, env=os.environ | {"PATH": path})
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
