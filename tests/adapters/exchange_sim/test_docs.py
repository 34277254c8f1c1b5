"""What docs/EXCHANGE_SIM.md says of the faults is what the code has, and its example runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from adapters.exchange_sim.faults import KINDS, ROUTES, read_script
from adapters.exchange_sim.running import running_exchange
from engine.rulebook import ist_ns
from tests.adapters.exchange_sim.bench_market import DAY
from tests.adapters.exchange_sim.hand_market import HandMarket

TEXT = (Path(__file__).resolve().parents[3] / "docs/EXCHANGE_SIM.md").read_text()


def example() -> str:
    """The script that the page shows."""
    [script] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    return str(script)


def test_the_table_of_faults_is_the_tables_own() -> None:
    """Every kind with its sentence, its settings and their defaults, and no other row."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| `") and "sim/" not in line]
    expected = []
    for kind in KINDS:
        takes = ", ".join(f"`{s.name}` ({json.dumps(s.default)})" for s in kind.settings)
        expected.append(f"| `{kind.name}` | {kind.sentence} | {takes or '–'} |")
    assert rows == expected
    assert all(f"`{route}`" in TEXT for route in ROUTES)


def test_the_example_runs_and_everything_in_it_happens() -> None:
    """From 09:15 to 09:35 each fault of the script begins (or happens) at its moment."""
    plan = read_script(example(), DAY, ist_ns(DAY, "09:15"))
    assert len(plan) == 5
    with running_exchange(HandMarket(), speed=0, faults=plan) as running:
        running.step_to(ist_ns(DAY, "10:35"))
        lines = running.do(lambda server: [line.text() for line in server.faults.record])
    begun = [line for line in lines if line.endswith(("begins", "happens"))]
    assert begun == [
        "09:16:00 duplicate_updates: begins",
        "09:20:00 silent_socket: begins",
        "09:21:00 lost_acknowledgement: begins",
        "09:22:00 server_error: begins",
        "09:25:00 position_closed_by_hand: happens",
    ]
    assert "09:20:20 silent_socket: ends" in lines
