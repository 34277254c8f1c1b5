"""The verdicts that are kept: private, by desk, and nothing rests on them."""

from __future__ import annotations

import stat
from pathlib import Path

from cli.verdicts import VERDICTS_NAME, KeptVerdicts
from tui.ports import Parity


def test_verdicts_are_a_cache_by_desk(tmp_path: Path) -> None:
    """The last of a session counts, each desk has its own, and a broken file is none."""
    home = tmp_path / "home"
    kept, other = KeptVerdicts(home, "main"), KeptVerdicts(home, "two")
    assert kept.load() == {}
    kept.keep("s", Parity("diverged", first=5))
    kept.keep("s", Parity("identical", True, 9, "aa", "c", "c"))
    other.keep("s", Parity("damaged"))
    assert KeptVerdicts(home, "main").load() == {"s": Parity("identical", True, 9, "aa", "c", "c")}
    assert other.load() == {"s": Parity("damaged")}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for data in (b"", b"[]", b'{"main": {"s": 1}}', b"\xff"):
        (home / VERDICTS_NAME).write_bytes(data)
        assert kept.load() == {}
    kept.keep("s", Parity("identical"))
    assert list(kept.load()) == ["s"]
