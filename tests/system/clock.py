"""A wall clock of a broker's own, which a test sets while the broker runs: the machine's clock is left alone, and
the steady clock is not touched."""
from pathlib import Path


def library():
    """Path of libfaketime, None where it is not installed."""
    candidates = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return next((str(path) for path in candidates), None)


class WallClock:
    """Seconds that the clock of whoever runs in `environment` is ahead of the machine's."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.ahead = folder / "wall-clock", 0
        self.environment = {"LD_PRELOAD": library(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_TIMESTAMP_FILE": str(self.file)}
        self.step(0)

    def step(self, seconds):
        """Sets it forth, or back. Whole at once: a reader sees the old file or the new."""
        self.ahead += seconds
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.ahead:+d}s\n")
        new.rename(self.file)
