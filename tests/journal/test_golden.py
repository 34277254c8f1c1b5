"""Journals written once and checked in: the format of this day, byte for byte, for ever."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import zstandard

from events.envelope import encode_envelope
from journal import seal
from journal.block import parse_header
from journal.files import OS_FILES
from journal.log import SessionLog, WriterOptions
from journal.reader import JournalReader
from journal.recovery import Verdict, inspect_session
from journal.seal import seal_session
from journal.verify import verify_session
from journal.watermark import WatermarkFile
from tests.journal.journals import Group, Said, flat

FIXTURES = Path(__file__).parent / "fixtures"
UID = "a1b2c3d4e5f6"
TS = 1_756_438_500_000_000_000
FIRST_LEVEL = 3
"""Zstd level of sealed blocks when the fixtures were made."""

HEAD_HASH = "db9ae09ef48d9d915dad747ddbdba7de3352323a9984390ca7555ed014975d6f"
DIGESTS = {
    "live/000001.axj": ("75c98e9003c621671fccba13770dce826b68031fb19e65ac9bd491e0ce82adee"),
    "live/watermark": ("7e5b76ee396d519e15151ca448362eb5946d073972fabc8f3655e5319a4fd2b6"),
    "sealed/000001.axs": ("26dd32ef7140a59cf37a94d5411d12dcababd9f2713941ccce56405cca11275e"),
    "sealed/watermark": ("39d12c54ee7f0e1daa1e57e2a823c0c5a205c0bd37172487eefc3973fb0ac2fb"),
}


def said(seq: int, cause: int) -> bytes:
    return encode_envelope(seq, "Said", 1, TS + cause, cause, Said(seq, b"axiom " * 4))


GROUPS: list[Group] = [
    (said(1, 1),),
    (said(2, 2), said(3, 2), said(4, 2)),
    (said(5, 5), said(6, 5)),
]


def write_golden(folder: Path, *, final: bool) -> None:
    """Two synced batches and, unless final, a sync mark at the end."""
    OS_FILES.make_folder(folder)
    mark = WatermarkFile.create(folder, bytes.fromhex(UID))
    log = SessionLog(folder, bytes.fromhex(UID), mark, WriterOptions(), OS_FILES)
    for batch in (GROUPS[:1], GROUPS[1:]):
        for group in batch:
            log.add_group(group)
        log.sync()
    (log.finish if final else log.mark)()
    log.close()


def write_fixtures(folder: Path) -> None:
    """How the fixtures were made, once; the tests compare."""
    write_golden(folder / "live", final=False)
    write_golden(folder / "sealed", final=True)
    seal_session(folder / "sealed")
    (folder / "sealed" / "seal.lock").unlink()


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_the_fixtures_are_as_they_were(name: str) -> None:
    """No fixture was ever changed: a format that changes gets a new version and new fixtures."""
    assert hashlib.sha256((FIXTURES / name).read_bytes()).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize("name", ["live", "sealed"])
def test_the_fixtures_are_read(name: str) -> None:
    """J18: today's reader and verifier read the journals of the first day to the pinned head."""
    with JournalReader(FIXTURES / name) as reader:
        assert [entry.data for entry in reader] == flat(GROUPS)
        assert reader.position.chain.hex() == HEAD_HASH
        assert reader.closed == (name == "sealed")
        assert reader.session_uid == UID
    report = verify_session(FIXTURES / name)
    assert (report.ok, report.head_seq, report.head_hash) == (True, 6, HEAD_HASH)
    assert inspect_session(FIXTURES / name).verdict is Verdict.OPEN


def test_todays_writer_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer gives the fixtures' bytes, sealed at the level of their day; the sealed payload,
    whose bytes belong to the zstd release too, is compared after decompression when that
    differs."""
    monkeypatch.setattr(seal, "SEALED_LEVEL", FIRST_LEVEL)
    write_fixtures(tmp_path)
    for name in DIGESTS:
        ours, theirs = (tmp_path / name).read_bytes(), (FIXTURES / name).read_bytes()
        if name.endswith(".axs") and zstandard.ZSTD_VERSION != (1, 5, 7):
            ours_header, theirs_header = parse_header(ours), parse_header(theirs)
            assert ours_header.hash_after == theirs_header.hash_after
            assert ours_header.raw_bytes == theirs_header.raw_bytes
        else:
            assert ours == theirs, name


def test_another_level_gives_another_file_with_the_same_entries(tmp_path: Path) -> None:
    """J18: sealed at today's level, the entries of the first day end at the same pinned head."""
    write_fixtures(tmp_path)
    ours, theirs = (
        (folder / "sealed" / "000001.axs").read_bytes() for folder in (tmp_path, FIXTURES)
    )
    assert seal.SEALED_LEVEL != FIRST_LEVEL
    assert ours != theirs
    assert parse_header(ours).raw_bytes == parse_header(theirs).raw_bytes
    report = verify_session(tmp_path / "sealed")
    assert (report.ok, report.head_seq, report.head_hash) == (True, 6, HEAD_HASH)


def test_a_changed_fixture_would_show(tmp_path: Path) -> None:
    """The canary: a fixture with one byte changed fails the checks above."""
    shutil.copytree(FIXTURES / "live", tmp_path / "live")
    path = tmp_path / "live" / "000001.axj"
    data = bytearray(path.read_bytes())
    data[150] ^= 1
    path.write_bytes(data)
    assert hashlib.sha256(data).hexdigest() != DIGESTS["live/000001.axj"]
    assert not verify_session(tmp_path / "live").ok
