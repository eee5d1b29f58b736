"""Numbers and names as words: one way to write a time, a count, a ratio, a walk, a slice."""

from __future__ import annotations

import math
from typing import Iterable

import pandas as pd

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))


def three_digits(value: float) -> str:
    """Three significant digits, never in exponent form: 0.123, 12.3, 123, 1,230."""
    if value == 0:
        return "0"
    places = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    places = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{places}f}"


def time(nanoseconds: float) -> str:
    """12.3 us. A time that was not measured (NaN) is "not measured"."""
    if math.isnan(nanoseconds):
        return "not measured"
    for scale, unit in _UNITS:
        # 999.6 ns would round to 1,000 ns: the larger unit is taken from there on.
        if abs(nanoseconds) >= scale * 0.9995:
            return f"{three_digits(nanoseconds / scale)} {unit}"
    return f"{three_digits(nanoseconds)} ns"


def count(value: float, noun: str | None = None) -> str:
    """4,096 or, with a noun, 1 block and 2 blocks; "unknown" for NaN."""
    if math.isnan(value):
        return "unknown"
    text = f"{value:,.0f}" if float(value).is_integer() else three_digits(value)
    if noun is None:
        return text
    return f"{text} {noun}" if value == 1 else f"{text} {noun}s"


def span(values: Iterable[float], noun: str | None = None) -> str:
    """97 to 100, with a noun 97 to 100 pages; where all are alike 100, or 1 page."""
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    return count(low, noun) if low == high else f"{count(low)} to {count(high, noun)}"


def percent(value: float) -> str:
    """50 %"""
    return f"{value:g} %"


def share(part: float, whole: float) -> str:
    """99.97 %: rounded down, so that only all of it is 100 %; "-" where there is no whole."""
    if math.isnan(part) or math.isnan(whole) or whole == 0:
        return "-"
    return f"{math.floor(part / whole * 10000) / 100:g} %"


def ratio(value: float, low: float, high: float, pairs: int, verdict: str) -> str:
    """7.90x (95 % interval 7.60-8.20, 20 pairs: slower)"""
    if pairs == 0 or math.isnan(value):
        return "ratio not measured (no pairs)"
    if math.isnan(low):
        return f"{three_digits(value)}x ({verdict}: {count(pairs, 'pair')})"
    spread = f"95 % interval {three_digits(low)}-{three_digits(high)}"
    return f"{three_digits(value)}x ({spread}, {count(pairs, 'pair')}: {verdict})"


def short_ratio(value: float, low: float, high: float, pairs: float, verdict: str) -> str:
    """7.90x (7.60-8.20), for a table whose heading says that it is the 95 % interval."""
    if pairs == 0 or math.isnan(value):
        return "no pairs"
    if math.isnan(low):
        return f"{three_digits(value)}x ({count(pairs, 'pair')} only)"
    word = f" {verdict}" if verdict == "not resolved" else ""
    return f"{three_digits(value)}x ({three_digits(low)}-{three_digits(high)}){word}"


def spread(low: float, middle: float, high: float) -> str:
    """13.1 us (12.9-13.8): all three in the unit of the one in the middle."""
    words = time(middle)
    scale = next(scale for scale, unit in _UNITS if words.endswith(f" {unit}"))
    return f"{words} ({three_digits(low / scale)}-{three_digits(high / scale)})"


def walk_name(walk: str) -> str:
    return walk.replace("_", " ")


def interval(low: float, high: float) -> str:
    """26.1 us to 29.4 us"""
    return "too few repetitions" if math.isnan(low) else f"{time(low)} to {time(high)}"


def estimate(value: float, low: float, high: float) -> str:
    """27.8 us (95 % interval 26.1 us to 29.4 us)"""
    if math.isnan(value):
        return "not measured"
    if math.isnan(low):
        return f"{time(value)} (no interval: too few repetitions)"
    return f"{time(value)} (95 % interval {interval(low, high)})"


def listing(items: Iterable[str], last: str = "and") -> str:
    """a, b and c"""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def axis_words(axis: str, value: object) -> str:
    """One held axis: 10 % dirty."""
    if isinstance(value, (int, float)):
        number = float(value)
        phrases = {
            "blocks": count(number, "block"), "full_percent": f"{percent(number)} full",
            "dirty_percent": f"{percent(number)} dirty", "queues": count(number, "queue"),
            "dirty_slots": f"{count(number, 'slot')} a dirty range",
            "responders": count(number, "responder"),
        }
        return phrases.get(axis, f"{axis} {number:g}")
    return {"gather": f"gather {value}", "check": f"check {value}",
            "shootdown": f"shootdown {value}", "spread": f"spread {value}",
            "descriptors": f"descriptors {str(value).replace('_', ' ')}",
            "index": f"{value} keys"}.get(axis, str(value))


def held_axes(frame: pd.DataFrame, axes: Iterable[str]) -> str:
    """The axes that all rows of a frame agree in: "10 % dirty, 1 queue, gather hull"."""
    phrases = []
    for axis in axes:
        values = frame[axis].unique()
        if len(values) == 1:
            value = values[0]
            phrases.append(axis_words(axis, value.item() if hasattr(value, "item") else value))
    return ", ".join(phrases)
