"""A disk of the broker's own that can be made to stall: an ext4 image, mounted and for seconds frozen."""
import subprocess
import time
from pathlib import Path

SIZE = "4G"
# Should this program die meanwhile, the disk is thawed nevertheless.
LONGEST = 10


def run(*command):
    """Runs a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=60)


class Disk:
    """Mounted on `folder / "disk"` until close."""

    def __init__(self, folder):
        self.image, self.mount = Path(folder) / "disk.img", Path(folder) / "disk"
        self.mount.mkdir()
        run("truncate", "-s", SIZE, self.image)
        run("mkfs.ext4", "-q", "-F", self.image)
        run("mount", "-o", "loop", self.image, self.mount)

    def stall(self, seconds):
        """Nothing is written for so long."""
        assert seconds < LONGEST
        rescue = subprocess.Popen(["sh", "-c", f'sleep {LONGEST}; fsfreeze --unfreeze "$0"', str(self.mount)],
                                  start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            run("fsfreeze", "--freeze", self.mount)
            time.sleep(seconds)
        finally:
            run("fsfreeze", "--unfreeze", self.mount)
            rescue.kill()
            rescue.wait()

    def close(self):
        """Takes it off; the image stays, as evidence."""
        run("umount", "-l", self.mount)


def disk_or_none(folder):
    """A disk, and None; or None, and why there is none."""
    try:
        return Disk(folder), None
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        return None, said.decode(errors="replace").strip()
