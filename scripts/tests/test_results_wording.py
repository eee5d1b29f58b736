"""Numbers as words: three digits, the right unit, one thing is not many."""

from __future__ import annotations

import math

import pytest

from flushwalk import wording


@pytest.mark.parametrize(("nanoseconds", "words"), [
    (0.0, "0 ns"), (0.1234, "0.123 ns"), (9.996, "10.0 ns"), (23.84, "23.8 ns"), (999.4, "999 ns"),
    (999.6, "1.00 us"), (12345, "12.3 us"), (999_600, "1.00 ms"), (2.5e9, "2.50 s"),
    (1.5e12, "1,500 s"), (-551.2, "-551 ns"), (math.nan, "not measured")])
def test_times(nanoseconds: float, words: str) -> None:
    assert wording.time(nanoseconds) == words


@pytest.mark.parametrize(("number", "words"), [
    (0, "0 blocks"), (1, "1 block"), (2, "2 blocks"), (65536, "65,536 blocks")])
def test_counts(number: int, words: str) -> None:
    assert wording.count(number, "block") == words


@pytest.mark.parametrize(("part", "whole", "words"), [
    (6000, 6000, "100 %"), (5998, 6000, "99.96 %"), (999_999, 1_000_000, "99.99 %"), (0, 5, "0 %"),
    (0, 0, "-"), (math.nan, 5, "-")])
def test_only_all_is_100_percent(part: float, whole: float, words: str) -> None:
    assert wording.share(part, whole) == words


@pytest.mark.parametrize(("low", "high", "words"), [
    (26100.0, 29400.0, "27.8 us (95 % interval 26.1 us to 29.4 us)"),
    (math.nan, math.nan, "27.8 us (no interval: too few repetitions)")])
def test_an_estimate_is_told_with_its_interval(low: float, high: float, words: str) -> None:
    assert wording.estimate(27800.0, low, high) == words


@pytest.mark.parametrize(("items", "words"), [
    ([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_listings(items: list[str], words: str) -> None:
    assert wording.listing(items) == words


def test_a_span_has_both_ends_or_one() -> None:
    assert wording.span([100.0, 97.0, 99.0]) == "97 to 100"
    assert wording.span([1200, 1200]) == "1,200"
