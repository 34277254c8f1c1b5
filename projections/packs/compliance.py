"""The compliance pack: every order of a session with its chain, and the journal that proves it.

Lives here: ``write_compliance_pack``, its tables and its page for people. May import: events,
journal, projections. Always holds: the journal goes in whole, so each shown entry can be laid
beside it offline; an order whose chain is broken is told as broken; two packs of one closed session
are byte for byte the same.
Start reading at ``write_compliance_pack``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from events import orders, session
from journal.cuts import CUTS_NAME
from journal.ledger import LEDGER_NAME, LedgerRecord, parse_ledger
from journal.manifest import MANIFEST_NAME
from journal.segment import list_segments
from journal.session_folder import ledger_of
from journal.verify import VerifyReport, verify_session
from journal.watermark import WATERMARK_NAME
from projections.packs.entries import Fields, Item, OnSeq, items_of, named, place, shown, unseen
from projections.packs.files import README, DamagedError, PackError, PackFolder
from projections.packs.trails import RATE_CEILING, Link, OrderTrail, SessionTrails, Tick, trails_of
from projections.why import ist_iso

ORDERS: Final = "orders.jsonl"
OVERVIEW: Final = "orders.csv"
RETENTION: Final = "retention.json"
JOURNAL: Final = "journal"

KEEP_YEARS: Final = 5
KEEP_WHY: Final = (
    "A broker keeps its books, and the logs of its API and of algorithms, for five years "
    "(Securities and Exchange Board of India, Stock Brokers Regulations 1992, regulation 18; "
    "brokers' notes on retail algorithms). Regulations of 2026 may ask for eight: not confirmed; "
    "keep eight where it costs nothing."
)

COLUMNS: Final = (
    "allowed_ist", "order_id", "complete", "missing", "role", "authority", "tag", "algo_id",
    "strategy_id", "exchange", "tradingsymbol", "side", "quantity_units", "limit_paise", "status",
    "filled_units", "filled_value_paise", "charges_paise", "approver", "address",
    "clock_offset_us", "messages", "messages_per_second_max",
)  # fmt: skip
"""The overview's columns; the digests of what ran come behind them."""

_WITHOUT_VALUES: Final = ("FeedFrame", "InstrumentsLoaded")
"""Kinds that a chain only names: their values are large, and the journal in the pack holds them."""

_CELL_MARKS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""


class CompliancePack(msgspec.Struct, frozen=True):
    """A pack that was written. ``broken`` are (order id, names of the missing links);
    ``pack_sha256`` is the digest of ``pack.json``, which names every other file's."""

    session: str
    files: dict[str, dict[str, Any]]
    orders: int
    broken: tuple[tuple[str, tuple[str, ...]], ...]
    head_hash: str
    pack_sha256: str


def write_compliance_pack(folder: Path, target: Path, *, on_seq: OnSeq = unseen) -> CompliancePack:
    """Write the pack of a closed session into a new or empty folder. ``on_seq``: as of
    ``items_of``.

    Raises ``PackError`` where the session is not closed, not intact or holds no opening, or the
    folder cannot be written, and the journal's errors.
    """
    ledger = ledger_of(folder)
    report = verify_session(folder, ledger=ledger)
    _must_be_whole(folder, report)
    found = trails_of(lambda: items_of(folder, on_seq, verified=True))
    if found is None:
        raise PackError(f"{folder.name} holds no session of ours: it begins with no SessionOpened")
    pack = PackFolder(target)
    journal = _copy_journal(pack, folder)
    record = _copy_ledger(pack, folder, ledger)
    pack.json_lines(ORDERS, (_order(found, one) for one in found.trails))
    pack.text(OVERVIEW, _overview(found))
    pack.json(RETENTION, _retention(pack, found))
    pack.text(README, _readme(folder.name, found, report))
    pack.verifiers()
    broken = tuple((one.order_id, _names(one)) for one in found.broken)
    digest = pack.close(
        {
            "kind": "compliance",
            "session": folder.name,
            "uid": report.session_uid,
            "head_seq": report.head_seq,
            "head_hash": report.head_hash,
            "journal": journal,
            "ledger": record,
            "orders": ORDERS,
            "orders_complete": len(found.trails) - len(broken),
            "orders_broken": len(broken),
            "digests": digests_of(found.opened),
        }
    )
    return CompliancePack(
        folder.name, pack.files, len(found.trails), broken, report.head_hash, digest
    )


def _must_be_whole(folder: Path, report: VerifyReport) -> None:
    if report.problems:
        raise DamagedError(
            f"{folder.name} is not as it was written ({report.problems[0]}): "
            f"'axiom verify {folder.name}' tells all of it"
        )
    if not report.closed:
        raise PackError(
            f"{folder.name} is not closed, and a pack is of a whole session: end its engine, or "
            f"where that died 'axiom journal seal {folder.name} --close'"
        )


def digests_of(opened: Item) -> Fields:
    """What ran: code, schema, rulebook, settings."""
    event = opened.event
    assert isinstance(event, session.SessionOpened)
    return {
        "code_digest": event.code_digest,
        "schema_digest": event.schema_digest,
        "rulebook_digest": event.rulebook_digest,
        "settings_digest": event.settings_digest,
    }


# -- the proof ------------------------------------------------------------------------------------


def _copy_journal(pack: PackFolder, folder: Path) -> str:
    """Segments and what the verifier reads with them; not what one process left for another."""
    place_in_pack = f"{JOURNAL}/{folder.name}"
    names = [one.path.name for one in list_segments(folder)]
    for name in (*names, MANIFEST_NAME, WATERMARK_NAME, CUTS_NAME):
        if (folder / name).is_file():
            pack.copy(folder / name, f"{place_in_pack}/{name}")
    return place_in_pack


def _copy_ledger(pack: PackFolder, folder: Path, ledger: Path) -> str | None:
    """The desk's ledger up to this session's record: what came later is no part of its past."""
    if not ledger.is_file():
        return None
    data = ledger.read_bytes()
    records, _, _ = parse_ledger(data, ledger)
    last = _last_record(records, folder.name)
    if last is None:
        return None
    lines = data.split(b"\n")[:last]
    name = f"{JOURNAL}/{LEDGER_NAME}"
    pack.write(name, (b"\n".join(lines) + b"\n",))
    return name


def _last_record(records: tuple[LedgerRecord, ...], name: str) -> int | None:
    return max((one.number for one in records if one.session == name), default=None)


# -- the orders -----------------------------------------------------------------------------------


def _names(trail: OrderTrail) -> tuple[str, ...]:
    return tuple(link.name for link in trail.missing)


def _order(found: SessionTrails, trail: OrderTrail) -> Fields:
    """An order as a line of ``orders.jsonl``: what a person asks for first, then its links."""
    return {
        **_head(trail),
        "digests": digests_of(found.opened),
        "message_rates": [
            {"message_no": number, "messages_last_second": count, "ceiling": RATE_CEILING}
            for number, count in trail.message_rates
        ],
        "config_changes": [shown(one) for one in trail.config_changes],
        "links": [_link(one) for one in trail.links],
    }


def _head(trail: OrderTrail) -> Fields:
    row, last = trail.instrument, trail.last
    return {
        "allowed_ist": ist_iso(trail.allowed_ts),
        "order_id": trail.order_id,
        "complete": not trail.missing,
        "missing": list(_names(trail)),
        "role": trail.role,
        "authority": trail.authority,
        "tag": _first(trail, "tag"),
        "algo_id": _first(trail, "algo_id"),
        "strategy_id": trail.strategy_id,
        "exchange": row.exchange if row else None,
        "tradingsymbol": row.tradingsymbol if row else None,
        "side": last.side if last else _first(trail, "side"),
        "quantity_units": last.quantity_units if last else _first(trail, "quantity_units"),
        "limit_paise": last.limit_paise if last else _first(trail, "limit_paise"),
        "status": last.status if last else None,
        "filled_units": last.filled_units if last else None,
        "filled_value_paise": _sum(trail, lambda one: one.quantity_units * one.price_paise),
        "charges_paise": _sum(trail, lambda one: one.charges_paise),
        "approver": trail.approver,
        "address": _first(trail, "egress"),
        "clock_offset_us": _first(trail, "clock_offset_us"),
        "messages": len(trail.messages),
        "messages_per_second_max": max((count for _, count in trail.message_rates), default=None),
    }


def _sum(trail: OrderTrail, of: Callable[[orders.FillApplied], int]) -> int:
    total = 0
    for one in trail.fills:
        total += of(one)
    return total


def _first(trail: OrderTrail, name: str) -> Any:
    """Of the first message that says it; None where none does, as on paper."""
    told = (getattr(one, name) for one in trail.messages)
    return next((one for one in told if one is not None), None)


def _link(link: Link) -> Fields:
    return {
        "link": link.name,
        "status": link.status,
        "why": link.why,
        "entries": [_entry(one) for one in link.items],
        "ticks": [_tick(one) for one in link.ticks],
    }


def _entry(item: Item) -> Fields:
    return place(item) if item.envelope.kind in _WITHOUT_VALUES else shown(item)


def _tick(tick: Tick) -> Fields:
    return {
        "frame": place(tick.frame),
        "idx": tick.idx,
        "instrument": tick.instrument,
        "packet": named(tick.packet),
    }


# -- for people -----------------------------------------------------------------------------------


def _overview(found: SessionTrails) -> str:
    """The orders as a table that any spreadsheet opens."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    digests = digests_of(found.opened)
    writer.writerow((*COLUMNS, *digests))
    for one in found.trails:
        head = _head(one)
        writer.writerow([_cell(head[name]) for name in COLUMNS] + list(digests.values()))
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_CELL_MARKS) else text


def _retention(pack: PackFolder, found: SessionTrails) -> Fields:
    """What to keep, how long, and by which digest it is known again."""
    opened = found.opened.event
    assert isinstance(opened, session.SessionOpened)
    until = _years_on(opened.day, KEEP_YEARS)
    return {
        "keep_years": KEEP_YEARS,
        "keep_through": until,
        "why": KEEP_WHY,
        "rows": [
            {
                "what": what,
                "keep_through": until,
                "files": {
                    name: pack.files[name]["sha256"]
                    for name in sorted(pack.files)
                    if name.startswith(prefix)
                },
            }
            for what, prefix in _KEPT
        ],
    }


_KEPT: Final = (
    ("order and algorithm records: every order with its chain", "orders."),
    ("the journal: market data, decisions, messages, answers, commands of people", JOURNAL),
)


def _years_on(day: int, years: int) -> str:
    """The same day years later (yyyymmdd to YYYY-MM-DD); 28 February for a leap day."""
    year, month, date = day // 10_000 + years, day // 100 % 100, day % 100
    return f"{year:04d}-{month:02d}-{28 if (month, date) == (2, 29) else date:02d}"


def _readme(name: str, found: SessionTrails, report: VerifyReport) -> str:
    opened = found.opened.event
    assert isinstance(opened, session.SessionOpened)
    broken = "".join(
        f"  {one.order_id}: {'; '.join(f'{link.name}: {link.why}' for link in one.missing)}\n"
        for one in found.broken
    )
    return _README.format(
        name=name,
        mode=opened.mode,
        orders=len(found.trails),
        complete=len(found.trails) - len(found.broken),
        broken=f"Broken chains, with the link that is missing:\n\n{broken}" if broken else "",
        entries=report.entries,
        head=report.head_hash,
        keep=_years_on(opened.day, KEEP_YEARS),
    )


_README: Final = """\
Compliance pack of {name}

A session of mode {mode} with {orders} orders; {complete} of them with an unbroken chain.
{broken}
What is here

  orders.csv         one row an order, for a spreadsheet
  orders.jsonl       one line (JSON) an order, with its whole chain
  journal/           the session's journal as it was written: {entries} entries
  retention.json     what to keep, and how long: through {keep}
  verify.py          checks this pack; journal_verify.py, beside it, checks the journal
  pack.json          every file with its SHA-256

How to check it, without us

  python -m pip install zstandard
  python verify.py .

It checks that every file is the one that was written, that the journal's chain of hashes holds to
its head, and that every entry an order names stands in that journal with the very values that are
shown. Exit code 0: it holds. 1: it does not, and each problem is named. The journal's head is

  {head}

A chain of hashes has no key: who can write all files of this folder can make another that fits as
well. Compare the head with one that was kept elsewhere: python verify.py . --head HASH

How to read a chain

Each order has eleven links: tick, snapshot, regime, gates, risk, approval, intent, message, answer,
life, fill. A link is FOUND with the journal's entries behind it; NOT_ASKED, with the reason, where
this order has none by its nature (an exit asks no entry gate, a paper order leaves no machine); or
MISSING, and then the chain is broken. Each entry has its seq (its place in the journal), its time
(ts: nanoseconds UTC; ts_ist: the same in India), its SHA-256 and its values. Money is in paise,
quantities in units. A tick is addressed by its frame's seq and its idx there; its packet is decoded
from the frame, which stands in the journal byte for byte.

  tag                the word the broker's order book shows for the order: the id of what allows it
  algo_id            as the exchange gave it and the settings hold it; empty where none is set
  address            the address a message left from, as it was checked
  message_rates      order messages within the second up to each message, on the session's clock
  digests            what ran: code, schema, rulebook, and the settings that the session began with
  config_changes     settings that were changed in the session before the order was allowed

This pack holds the account's id, orders and results, the names of people who gave commands, and in
manifest.json that of the machine. It is for who may see them.
"""
