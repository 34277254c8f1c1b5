"""What a synthetic day costs: packets, bytes, frames and CPU seconds of each profile.

Lives here: one timed pass over a day's frames; nothing is stored. May import: everything. Always
holds: CPU time of this process, not wall time; the packets counted are those the codec's walk
finds. Run: ``python -m bench.synthetic_bench [--seed N] [PROFILE ...]`` (default: small, default;
``full`` takes about a minute). Start reading at ``measure``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import msgspec

from adapters.markets.synthetic import PROFILES, SyntheticMarket
from events.wire.kite import walk

PROFILE_NAMES = tuple(profile.name for profile in PROFILES)


class Result(msgspec.Struct, frozen=True):
    """One pass: ``cpu_s`` is generation alone, without the walk that counts the packets."""

    profile: str
    frames: int
    heartbeats: int
    packets: int
    data_bytes: int
    cpu_s: float

    def line(self) -> str:
        per_packet = 1e6 * self.cpu_s / self.packets
        return (
            f"{self.profile:8} {self.packets:>11,} packets {self.frames:>8,} frames "
            f"({self.heartbeats} heartbeats) {self.data_bytes / 1e6:>8,.1f} MB "
            f"{self.cpu_s:>6.2f} CPU s {per_packet:>5.2f} us a packet"
        )


def measure(profile: str, seed: int) -> Result:
    """Make one whole day and count what came out."""
    frames = SyntheticMarket(seed, profile).frames()
    count = heartbeats = packets = data_bytes = 0
    cpu_ns = 0
    started = time.process_time_ns()
    for frame in frames:
        cpu_ns += time.process_time_ns() - started
        found = walk(frame.data)
        count += 1
        heartbeats += found.heartbeat
        packets += found.packets
        data_bytes += len(frame.data)
        started = time.process_time_ns()
    return Result(profile, count, heartbeats, packets, data_bytes, cpu_ns / 1e9)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.synthetic_bench",
        description=__doc__.split("\n", 1)[0] if __doc__ else None,
    )
    parser.add_argument("profiles", nargs="*", default=["small", "default"], metavar="PROFILE")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    for profile in options.profiles:
        if profile not in PROFILE_NAMES:
            parser.error(f"no profile {profile!r}: choose from {', '.join(PROFILE_NAMES)}")
        print(measure(profile, options.seed).line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
