"""F12: the daily instrument list: strict, whole or refused, of today, and what changed in it."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.exchange_sim.listing import Listings
from adapters.kite.instruments import (
    FAULTS_MAX,
    HEADER,
    Dump,
    DumpError,
    InstrumentChange,
    Watch,
    changed_instruments,
    choose,
    read_dump,
)
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook, ist_ns
from events.session import Instrument

DAY = 20261008
FETCHED = ist_ns(DAY, "08:31")
NAMES = ("NIFTY", "SENSEX")
REAL = """\
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
264969,1035,INDIA VIX,INDIA VIX,0,,0,0,0,EQ,INDICES,NSE
265,1,SENSEX,"SENSEX",0,,0,0,0,EQ,INDICES,BSE
256257,1001,SOMESHARE,"SOME SHARE, LTD",0,,0,0.05,1,EQ,NSE,NSE
11421186,44614,NIFTY26O1322550CE,NIFTY,0,2026-10-13,22550,0.05,65,CE,NFO-OPT,NFO
11421442,44615,NIFTY26O1322550PE,NIFTY,0,2026-10-13,22550,0.05,65,PE,NFO-OPT,NFO
11421698,44616,NIFTY26O1322600CE,NIFTY,0,2026-10-13,22600.0,0.05,65,CE,NFO-OPT,NFO
11421954,44617,NIFTY26O2022550CE,NIFTY,0,2026-10-19,22550,0.05,65,CE,NFO-OPT,NFO
11422210,44618,NIFTY26OCTFUT,NIFTY,0,2026-10-27,0,0.05,65,FUT,NFO-FUT,NFO
227668741,889331,SENSEX26O0872500CE,SENSEX,0,2026-10-08,72500,0.05,20,CE,BFO-OPT,BFO
221330181,864571,SENSEX26OCTFUT,"SENSEX",0,2026-10-29,0,0.05,20,FUT,BFO-FUT,BFO
218804229,854704,BANKEX26APR63000PE,,0,2026-04-30,63000,0.05,30,PE,BFO-OPT,BFO
1,0,ODD,ODD,0,,0,0,0,EQ,NSEIX,NSEIX
"""
"""Rows as the broker sends them, with one of an exchange that nobody reads and one without a name
(whose old expiry is nobody's matter)."""


def _csv(rows: str = REAL, header: tuple[str, ...] = HEADER) -> bytes:
    return (",".join(header) + "\n" + rows).encode()


def _read(data: bytes | None = None, day: int = DAY, fetched: int = FETCHED) -> Dump:
    return read_dump(_csv() if data is None else data, day, fetched, NAMES)


def _fault(data: bytes) -> DumpError:
    with pytest.raises(DumpError) as caught:
        _read(data)
    assert "\n" not in str(caught.value)
    return caught.value


def test_real_rows_become_instruments() -> None:
    """Indices by exchange and name, contracts with the list's own lot, tick, strike and expiry."""
    dump = _read()
    assert dump.lines == 13
    by_symbol = {row.tradingsymbol: row for row in dump.rows}
    assert by_symbol["NIFTY 50"] == Instrument(
        256265, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 0, "exchange"
    )
    assert by_symbol["INDIA VIX"].kind == "VIX"
    assert by_symbol["NIFTY26O1322600CE"] == Instrument(
        11421698, "NFO", "NIFTY26O1322600CE", "NIFTY", "CE", 20261013, 2_260_000, 65, 5, "exchange"
    )
    assert by_symbol["SENSEX26OCTFUT"].lot_units == 20
    assert {row.underlying for row in dump.rows} == {"NIFTY", "SENSEX", "INDIA VIX"}


def test_gzip_and_the_order_of_columns_change_nothing() -> None:
    """The digest is of the CSV, packed or not; columns are found by their names."""
    plain = _read()
    assert _read(gzip.compress(_csv())) == plain
    cells = [list(reversed(row)) for row in csv.reader(io.StringIO(_csv().decode()))]
    out = io.StringIO()
    csv.writer(out).writerows(cells)
    turned = _read(out.getvalue().encode())
    assert turned.rows == plain.rows
    assert turned.digest != plain.digest


def test_what_the_simulated_exchange_lists_reads_back_as_it_was() -> None:
    """Every instrument of a generated day goes through the list and comes back equal."""
    market = SyntheticMarket(7)
    rows = market.instruments()
    listed = Listings(rows, Rulebook(load_rows()), market.day).csv(None)
    names = ("NIFTY", "BANKNIFTY", "SENSEX")
    dump = read_dump(listed, market.day, ist_ns(market.day, "08:31"), names)
    assert dump.rows == rows
    assert len(rows) > 200


@pytest.mark.parametrize(
    ("day", "fetched", "says"),
    [
        (20261009, ist_ns(20261008, "23:59"), "fetched on 2026-10-08"),
        (20261008, ist_ns(20261008, "07:59"), "at 07:59 IST"),
        (20261008, ist_ns(20261009, "08:31"), "fetched on 2026-10-09"),
        (20261009, ist_ns(20261009, "08:31"), "expired on 2026-10-08"),
    ],
)
def test_yesterdays_list_is_refused(day: int, fetched: int, says: str) -> None:
    """By when it was fetched, and by a contract in it that has expired."""
    with pytest.raises(DumpError, match=says) as caught:
        _read(day=day, fetched=fetched)
    assert caught.value.fault == "FILE_OLD"


def test_the_same_bytes_on_another_day_are_refused() -> None:
    """A list that was served stale is yesterday's, whenever it was fetched, packed or not."""
    digest = _read().digest
    with pytest.raises(DumpError, match="byte for byte") as caught:
        read_dump(gzip.compress(_csv()), DAY, FETCHED, NAMES, digest)
    assert caught.value.fault == "FILE_OLD"


@pytest.mark.parametrize(
    "header",
    [
        (*HEADER, "freeze"),
        HEADER[:-1],
        (*HEADER[:-1], "venue"),
        (*HEADER[:-1], HEADER[0]),
        (),
    ],
)
def test_other_columns_are_refused(header: tuple[str, ...]) -> None:
    """One more, one less, another one, one twice, none: the list changed, and a person looks."""
    assert _fault(_csv("", header)).fault == "COLUMNS"


OPTION = "11421186,44614,NIFTY26O1322550CE,NIFTY,0,2026-10-13,22550,0.05,65,CE,NFO-OPT,NFO\n"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (OPTION * 2, "stands in line 2 already"),
        (OPTION + OPTION.replace("22550CE", "22551CE"), "token 11421186 stands in line 2"),
        (OPTION.replace("11421186", "11421187"), "is not exchange token 44614 and 2"),
        (OPTION.replace("11421186", "11421188").replace("NFO\n", "NFO\n"), "is not exchange token"),
        (OPTION.replace("11421186,44614", "0,0"), "is not exchange token"),
        (OPTION.replace("11421186", "-1"), "is no number"),
        (OPTION.replace(",65,", ",0,"), "must be positive"),
        (OPTION.replace(",65,", ",6.5,"), "must be positive"),
        (OPTION.replace("0.05", "0"), "must be positive"),
        (OPTION.replace("0.05", "0.005"), "cannot be read"),
        (OPTION.replace("0.05", "1e-2"), "cannot be read"),
        (OPTION.replace("22550,", "nan,"), "cannot be read"),
        (OPTION.replace("22550,", "-1,"), "cannot be read"),
        (OPTION.replace("22550,", "0,"), "strike '0' of a CE"),
        (OPTION.replace(",CE,", ",FUT,"), "in segment 'NFO-OPT'"),
        (OPTION.replace("CE,NFO-OPT", "FUT,NFO-FUT"), "strike '22550' of a FUT"),
        (OPTION.replace(",CE,", ",XX,"), "type 'XX'"),
        (OPTION.replace("2026-10-13", "2026-13-10"), "cannot be read"),
        (OPTION.replace("2026-10-13", "20261013"), "cannot be read"),
        (OPTION.replace("2026-10-13", ""), "cannot be read"),
        (OPTION.replace("NIFTY26O1322550CE", ""), "no tradingsymbol"),
        (OPTION.replace(",65,", ",65,65,"), "13 columns instead of 12"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(row: str, says: str) -> None:
    """Duplicates, token arithmetic, lots, ticks, strikes, types, expiries, columns."""
    error = _fault(_csv(row))
    assert error.fault == "ROWS"
    assert says in str(error)
    assert "line " in str(error)


def test_all_faults_are_told_and_not_without_end() -> None:
    """Each with its line, and no more than a screen of them."""
    bad = "".join(OPTION.replace("44614", str(n)) for n in range(3))
    assert str(_fault(_csv(bad))).count("line ") >= 3
    many = str(_fault(_csv("x\n" * 5000)))
    assert many.startswith(f"{FAULTS_MAX} faults in the instruments, and perhaps more")
    assert len(many) < FAULTS_MAX * 300


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        gzip.compress(_csv())[:-5],
        gzip.compress(_csv()) + b"more",
        b"\x1f\x8bnot gzip",
        _csv('1,2,"never closed\n'),
    ],
)
def test_damaged_files_are_refused(data: bytes) -> None:
    """Not UTF-8, a cut gzip, one with more behind it, a quote that never closes."""
    assert _fault(data).fault == "FILE_DAMAGED"


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small gzip of a huge list is not unpacked past the limit."""
    monkeypatch.setattr("adapters.kite.instruments.DUMP_BYTES_MAX", 100_000)
    assert _fault(gzip.compress(b"0" * 10_000_000)).fault == "FILE_DAMAGED"
    assert _fault(b"0" * 100_001).fault == "FILE_DAMAGED"


@settings(max_examples=150)
@given(st.data())
def test_hostile_lists_are_taken_whole_or_refused(data: st.DataObject) -> None:
    """Whatever is done to the bytes: rows that all hold, or one ``DumpError`` in one line."""
    content = bytearray(_csv())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    try:
        dump = _read(bytes(content))
    except DumpError as error:
        said = str(error)
    else:
        said = ""
        for row in dump.rows:
            assert row.kind in ("INDEX", "VIX") or (
                row.expiry >= DAY and row.lot_units > 0 and row.tick_paise > 0
                and row.token & 0xFF in (2, 5) and (row.strike_paise > 0) == (row.kind != "FUT")
            )  # fmt: skip
        keys = [(row.exchange, row.tradingsymbol) for row in dump.rows]
        assert len(dict.fromkeys(keys)) == len(keys)
        assert len({row.token for row in dump.rows}) == len(keys)
    assert "\n" not in said


# --- choosing -----------------------------------------------------------------------------------


def test_the_watched_universe_in_its_order() -> None:
    """Indices, VIX, then each underlying's near future and its options by expiry and strike."""
    rows = choose(_read(), (Watch("SENSEX", 1, 5, 7_250_000), Watch("NIFTY", 1, 0, 2_256_000)))
    assert [row.tradingsymbol for row in rows] == [
        "SENSEX", "NIFTY 50", "INDIA VIX",
        "SENSEX26OCTFUT", "SENSEX26O0872500CE",
        "NIFTY26OCTFUT", "NIFTY26O1322550CE", "NIFTY26O1322550PE",
    ]  # fmt: skip
    both = choose(_read(), (Watch("NIFTY", 2, 1, 2_259_900),))
    assert [(row.expiry, row.strike_paise, row.kind) for row in both[3:]] == [
        (20261013, 2_255_000, "CE"),
        (20261013, 2_255_000, "PE"),
        (20261013, 2_260_000, "CE"),
        (20261019, 2_255_000, "CE"),
    ]


@settings(max_examples=50)
@given(st.integers(0, 5_000_000), st.integers(0, 12), st.integers(1, 4))
def test_strikes_stand_around_the_level(level: int, each_side: int, expiries: int) -> None:
    """As many on each side as asked for where the list has them, the nearest always among them."""
    rows = _chain()
    chosen = choose(Dump(DAY, "", 0, rows), (Watch("NIFTY", expiries, each_side, level),))
    options = [row for row in chosen if row.kind == "CE"]
    assert len({row.expiry for row in options}) == min(expiries, 3)
    strikes = [row.strike_paise for row in options if row.expiry == options[0].expiry]
    listed = sorted({row.strike_paise for row in rows if row.kind == "CE"})
    nearest = min(listed, key=lambda strike: (abs(strike - level), strike))
    at = listed.index(nearest)
    assert strikes == listed[max(at - each_side, 0) : at + each_side + 1]


def _chain() -> tuple[Instrument, ...]:
    """An index, a future and three expiries of thirty strikes."""
    index = Instrument(256265, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 0, "exchange")
    future = replace(index, token=2, exchange="NFO", tradingsymbol="F", kind="FUT", expiry=20261027)
    rows = [index, future]
    for expiry in (20261013, 20261019, 20261027):
        for n in range(30):
            for kind in ("CE", "PE"):
                symbol = f"{expiry}{n}{kind}"
                rows.append(
                    Instrument(len(rows) << 8 | 2, "NFO", symbol, "NIFTY", kind, expiry,
                               2_200_000 + n * 5_000, 65, 5, "exchange")
                )  # fmt: skip
    return tuple(rows)


@pytest.mark.parametrize("lost", ["NIFTY 50", "NIFTY26OCTFUT", "options"])
def test_what_is_not_listed_is_named(lost: str) -> None:
    """An index, a future or options that the list has not: no session without them."""
    dump = _read()
    rows = tuple(r for r in dump.rows if r.tradingsymbol != lost
                 and not (lost == "options" and r.kind in ("CE", "PE")))  # fmt: skip
    with pytest.raises(DumpError, match="of NIFTY") as caught:
        choose(replace(dump, rows=rows), (Watch("NIFTY", 1, 1, 1),))
    assert caught.value.fault == "NOT_LISTED"


def test_two_lot_sizes_stand_side_by_side() -> None:
    """As around the January 2026 series: each contract has the lot of its own row."""
    old = OPTION.replace("11421186,44614", "11421442,44615").replace("1322550", "2022550")
    old = old.replace("2026-10-13", "2026-10-19").replace(",65,", ",75,")
    lots = {row.expiry: row.lot_units for row in _read(_csv(OPTION + old)).rows}
    assert lots == {20261013: 65, 20261019: 75}


# --- comparing ----------------------------------------------------------------------------------

KEY = ("NFO", "NIFTY26O2022550CE")


def _after(**changes: object) -> tuple[Instrument, ...]:
    return tuple(
        replace(row, **changes) if (row.exchange, row.tradingsymbol) == KEY else row
        for row in _read().rows
    )


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("lot_units", 65, 75),
        ("tick_paise", 5, 10),
        ("expiry", 20261019, 20261020),
        ("token", 11421954, 11421698),
        ("strike_paise", 2_255_000, 2_255_500),
    ],
)
def test_a_changed_field_of_a_watched_contract_is_told(field: str, before: int, after: int) -> None:
    """Both values; of a contract that nobody holds or watches nothing is."""
    rows = _after(**{field: after})
    assert changed_instruments(_read().rows, rows, (KEY, KEY), DAY) == (
        InstrumentChange(*KEY, field, before, after),
    )
    assert changed_instruments(_read().rows, rows, (("NFO", "NIFTY26OCTFUT"),), DAY) == ()
    assert changed_instruments(_read().rows, _read().rows, (KEY,), DAY) == ()


def test_gone_expired_and_renamed_are_told_apart() -> None:
    """A contract that is not listed any more is told unless it has expired; one that an exchange
    dated anew has another symbol under its token; a token of another contract is no rename."""
    rows = tuple(row for row in _read().rows if row.tradingsymbol != KEY[1])
    gone = changed_instruments(_read().rows, rows, (KEY,), 20261019)
    assert gone == (InstrumentChange(*KEY, "listed", "yes", None),)
    assert changed_instruments(_read().rows, rows, (KEY,), 20261020) == ()
    renamed = changed_instruments(
        _read().rows, _after(tradingsymbol="NIFTY26O1922550CE", expiry=20261020), (KEY,), DAY
    )
    assert [(one.field, one.after) for one in renamed] == [
        ("tradingsymbol", "NIFTY26O1922550CE"),
        ("expiry", 20261020),
    ]
    reused = _after(tradingsymbol="NIFTY26D0124000PE", kind="PE", strike_paise=2_400_000)
    assert changed_instruments(_read().rows, reused, (KEY,), DAY) == gone
