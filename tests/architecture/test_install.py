"""``pip install .`` from the checkout gives a program that works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

PIP = (
    *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
    *("--no-index", "--no-deps", "--no-build-isolation", "--no-compile"),
)


@pytest.mark.slow
def test_an_installed_program_starts_and_ignores_the_working_directory(tmp_path: Path) -> None:
    """The script answers from a folder that holds other packages with the rooms' names."""
    site = tmp_path / "site"
    subprocess.run([*PIP, "--target", str(site), str(ROOT)], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    for room in ("events", "replay", "journal"):
        (elsewhere / room).mkdir(parents=True)
        (elsewhere / room / "__init__.py").write_text("raise SystemExit('the wrong room')\n")
    done = subprocess.run(
        [str(site / "bin" / "axiom"), "--help"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: axiom ")
