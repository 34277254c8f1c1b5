"""How far this machine's clock is off: by a time server, or by the service that keeps it.

Lives here: one question in SNTP (RFC 4330), and the words of chronyc and timedatectl. May import:
``cli.doctor.check``. Always holds: an answer that is not to our question, of an unsynchronised
server, or in other words than these is none; offsets are ns, positive where our clock is behind.
Start reading at ``clock``.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from cli.doctor.check import Context, Outcome, bad, good, unknown, warned

NS_PER_S: Final = 1_000_000_000
OFFSET_NS_MAX: Final = NS_PER_S
"""Past it LIVE does not begin: order times would be disputable (CERT-In, SEBI)."""

OFFSET_NS_WARN: Final = NS_PER_S // 10
NTP_PORT: Final = 123
NTP_UNIX_S: Final = 2_208_988_800
"""From 1900, where NTP counts from, to 1970."""

ASK_S_MAX: Final = 3.0
ERA_NTP_S: Final = 1 << 32
_PACKET: Final = struct.Struct("!BBbbIIIQQQQ")
_CHRONY: Final = re.compile(r"^System time\s*: ([0-9.]+) seconds (slow|fast) of NTP time", re.M)
_CHRONY_LEAP: Final = re.compile(r"^Leap status\s*: (.+)$", re.M)
_TIMESYNC: Final = re.compile(r"^\s*Offset: ([+-]?)([0-9.]+)(us|ms|s)$", re.M)
_UNITS: Final = {"us": 1_000, "ms": 1_000_000, "s": NS_PER_S}


class Measured(NamedTuple):
    """An offset (ns), who said it, and of what kind that is: the word that a journal keeps."""

    offset_ns: int
    source: str
    kind: str


class ClockError(Exception):
    """No time could be had; one line."""


def clock(context: Context) -> Outcome:
    """The check: within a tenth of a second is good, past a second it is bad."""
    try:
        found = measured(context)
    except ClockError as error:
        return unknown(str(error))
    if found is None:
        return unknown(
            "nobody says how far the clock is off: no time server was named, and neither chronyc"
            " nor timedatectl tells",
            "set live.ntp_host, run chrony or systemd-timesyncd, or ask once: doctor --ntp HOST",
        )
    text = f"the clock is {_words(found.offset_ns)} by {found.source}"
    if abs(found.offset_ns) > OFFSET_NS_MAX:
        return bad(text)
    return warned(text) if abs(found.offset_ns) > OFFSET_NS_WARN else good(text)


def _words(offset_ns: int) -> str:
    ms = abs(offset_ns) / 1_000_000
    return f"{ms:.3f} ms {'behind' if offset_ns > 0 else 'ahead'}"


def measured(context: Context) -> Measured | None:
    """How far the clock is off, by whoever says it first: the time server that is named, else the
    machine's own service; None where nobody does. Raises ``ClockError``."""
    host = context.settings.ntp_host
    if host:
        return Measured(ask_time(host, context.now_ns), host, "NTP")
    said = context.run(("chronyc", "tracking"))
    offset = None if said is None else chrony_offset(said)
    if offset is not None:
        return Measured(offset, "chrony", "CHRONY")
    said = context.run(("timedatectl", "timesync-status"))
    offset = None if said is None else timesync_offset(said)
    return None if offset is None else Measured(offset, "systemd-timesyncd", "TIMESYNCD")


def chrony_offset(text: str) -> int | None:
    """ns by which the clock is behind, of ``chronyc tracking``; None where it is not kept."""
    leap, found = _CHRONY_LEAP.search(text), _CHRONY.search(text)
    if leap is None or found is None or leap[1].strip() == "Not synchronised":
        return None
    offset = _ns(found[1], "s")
    return offset if found[2] == "slow" or offset is None else -offset


def timesync_offset(text: str) -> int | None:
    """ns by which the clock is behind, of ``timedatectl timesync-status``; None where unknown."""
    found = _TIMESYNC.search(text)
    if found is None:
        return None
    offset = _ns(found[2], found[3])
    return offset if found[1] != "-" or offset is None else -offset


def _ns(number: str, unit: str) -> int | None:
    try:
        return int(float(number) * _UNITS[unit])
    except ValueError:
        return None


# --- SNTP ----------------------------------------------------------------------------------------


def ask_time(host: str, now_ns: Callable[[], int] = time.time_ns) -> int:
    """ns by which our clock is behind that of ``HOST[:PORT]``. Raises ``ClockError``."""
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    try:
        at = (name, int(port) if port else NTP_PORT)
        family, kind, protocol, _, address = socket.getaddrinfo(*at, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asker:
            asker.settimeout(ASK_S_MAX)
            asker.connect(address)  # only its answers are heard
            sent_ns = now_ns()
            asker.send(_question(sent_ns))
            answer = asker.recv(512)
            got_ns = now_ns()
    except (OSError, ValueError, OverflowError) as error:
        raise ClockError(f"the time server {host} did not answer: {error}") from error
    return _offset(answer, sent_ns, got_ns, host)


def _question(sent_ns: int) -> bytes:
    return _PACKET.pack(0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, _ntp(sent_ns))


def _offset(answer: bytes, sent_ns: int, got_ns: int, host: str) -> int:
    if len(answer) < _PACKET.size:
        raise ClockError(f"the time server {host} answered in {len(answer)} bytes: no NTP")
    head, stratum, *_, origin, received, transmitted = _PACKET.unpack(answer[: _PACKET.size])
    if origin != _ntp(sent_ns):
        raise ClockError(f"the time server {host} answered another question")
    if head & 7 != 4 or head >> 6 == 3 or not 1 <= stratum <= 15 or not received or not transmitted:
        raise ClockError(f"the time server {host} is not synchronised itself (stratum {stratum})")
    ahead = _unix_ns(received, sent_ns) - sent_ns
    behind = _unix_ns(transmitted, got_ns) - got_ns
    return (ahead + behind) // 2


def _ntp(ns: int) -> int:
    """32 bits of seconds and 32 of their fraction."""
    seconds, rest = divmod(ns, NS_PER_S)
    return (seconds + NTP_UNIX_S) % ERA_NTP_S << 32 | (rest << 32) // NS_PER_S


def _unix_ns(stamp: int, near_ns: int) -> int:
    """The time of a stamp in the era (136 years) that is nearest to a time of ours."""
    seconds, fraction = stamp >> 32, stamp & 0xFFFF_FFFF
    ours = near_ns // NS_PER_S + NTP_UNIX_S
    seconds += (ours - seconds + ERA_NTP_S // 2) // ERA_NTP_S * ERA_NTP_S
    return (seconds - NTP_UNIX_S) * NS_PER_S + (fraction * NS_PER_S >> 32)
