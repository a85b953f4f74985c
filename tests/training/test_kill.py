"""`kill -9` loses nothing; `python -m benchmarks.kill_and_resume` does this ten times for every
model."""

from pathlib import Path

import pytest


def test_a_killed_run_ends_in_the_same_bits(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    kill = pytest.importorskip("benchmarks.kill_and_resume")
    differing, count = kill.compare("vae", kills=1)
    assert count > 30 and differing == []
