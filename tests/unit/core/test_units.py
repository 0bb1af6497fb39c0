"""Measured durations in words that people use."""

from __future__ import annotations

import pytest

from procman.core.units import spell_duration, spell_size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.0006, "1ms"),
        (0.02, "20ms"),
        (0.0994, "99ms"),
        (0.0999, "0.1s"),
        (0.3, "0.3s"),
        (0.96, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (10, "10s"),
        (9.96, "10s"),
        (59.94, "59.9s"),
        (59.97, "1m"),
        (60, "1m"),
        (60.4, "1m"),
        (90, "1m30s"),
        (119.6, "2m"),
        (3599.4, "59m59s"),
        (3599.6, "1h"),
        (5400, "1h30m"),
        (90061, "25h1m1s"),
    ],
)
def test_a_duration_reads_well_on_both_sides_of_every_edge(seconds: float, text: str) -> None:
    assert spell_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1.0kB"),
        (9_949, "9.9kB"),
        (9_951, "10kB"),
        (999_499, "999kB"),
        (999_500, "1.0MB"),
        (93_400_000, "93MB"),
        (1_234_000_000, "1.2GB"),
        (64e9, "64GB"),
        (5e15, "5000TB"),
    ],
)
def test_a_size_reads_well_on_both_sides_of_every_edge(count: float, text: str) -> None:
    assert spell_size(count) == text
