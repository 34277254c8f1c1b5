"""One cell of the determinism matrix: replays every golden here and prints the digests as JSON.

Lives here: what runs in a child process, under a Python that may have nothing but msgspec and
zstandard. May import: replay. Always holds: the environment's locale is switched on first, as a
program that shows numbers would; the digests come out by name, whatever the number of processes.
Run by scripts/matrix.py: ``python -P -m scripts.matrix_cell GOLDENS PROCESSES``.
"""

from __future__ import annotations

import json
import locale
import multiprocessing
import sys
from pathlib import Path

from replay.session import replay_session


def digest_of(folder: Path) -> tuple[str, str]:
    """(name, the digest that a golden re-derives to)."""
    locale.setlocale(locale.LC_ALL, "")
    return folder.name, replay_session(folder).digest


def digests(goldens: Path, processes: int) -> dict[str, str]:
    """The digest of every golden, by name; ``processes`` of them at a time."""
    folders = sorted(path for path in goldens.iterdir() if path.is_dir())
    if processes == 1:
        return dict(map(digest_of, folders))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return dict(pool.map(digest_of, folders, chunksize=1))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests(Path(sys.argv[1]), int(sys.argv[2]))))
