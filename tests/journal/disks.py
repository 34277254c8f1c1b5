"""A real file system of few bytes, for tests that fill it.

Lives here: ``small_disk``. Always holds: it is unmounted at the end, whatever happened; a user who
may not mount one skips the test.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """``folder``, made private, as a file system of ``size_bytes``."""
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(folder)),
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)
