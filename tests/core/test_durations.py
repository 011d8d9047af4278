"""Durations as people say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.durations import duration

steps = [(0.01, 0.995), (0.1, 9.95), (1, 3600), (60, 86400), (3600, float("inf"))]  # [s], and until when
units = {"s": 1, "min": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.041, "0.04 s"),
        (0.996, "1 s"),
        (4.24, "4.2 s"),
        (38.4, "38 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (3599.7, "1 h"),
        (11_100, "3 h 5 min"),
        (86_399.9, "1 d"),
        (188_000, "2 d 4 h"),
    ],
)
def test_in_two_units_at_most(seconds, text):
    assert duration(seconds) == text


@given(st.floats(0, 1e8))
def test_it_says_the_time_within_its_smallest_unit(seconds):
    text = duration(seconds)
    parts = re.findall(r"([\d.]+) (s|min|h|d)", text)
    assert " ".join(f"{count} {unit}" for count, unit in parts) == text
    said = sum(float(count) * units[unit] for count, unit in parts)
    step = next(step for step, below in steps if seconds < below)
    assert abs(said - seconds) <= 0.51 * step + (0.5 if seconds > 60 else 0)
    limit = {"s": 60, "min": 60, "h": 24, "d": float("inf")}
    assert all(float(count) < limit[unit] for count, unit in parts)
