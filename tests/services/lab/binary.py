"""The program under test: AILERON_BIN, else the newest build under the target folder."""
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


def binary():
    """Its path."""
    if "AILERON_BIN" in os.environ:
        return Path(os.environ["AILERON_BIN"])
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    built = [target / profile / "aileron" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        pytest.fail("no binary: cargo build -p aileron, or set AILERON_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)
