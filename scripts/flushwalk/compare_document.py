"""A comparison as sections (document.py), and as rows of a CSV: the same figures for a terminal, a
mail, a page and a program.

Contract: what differs between the machines comes first, then what was compared and what was left
out, then what is slower or faster, then what is not resolved, with what could have been.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

from flushwalk import wording
from flushwalk.comparisons import INJECTED, Comparison, Table, axes_of
from flushwalk.document import Bullets, Numbers, Paragraph, Section
from flushwalk.figures import base
from flushwalk.machine_differences import Difference
from flushwalk.results import Report
from flushwalk.statistics import FASTER, MIN_PAIRS, NOT_RESOLVED, SLOWER, Ratio

_MOST_NAMES = 5  # of cases that only one report has
_LONGEST_VALUE = 60
CSV_COLUMNS = (
    "word", "case", "baseline", "role", "metric", "unit", "before", "after", "ratio", "ratio_low",
    "ratio_high", "repetitions_before", "repetitions_after", "paired", "effect", "p",
    "smallest_ratio", "time_drift_percent", "time_drifts", "ratio_drift_percent", "ratio_drifts",
)


@dataclass(frozen=True)
class Compared:
    """Two reports, or one whose pairs are compared (`theirs` is None)."""

    ours: Report
    theirs: Report | None
    differences: Sequence[Difference]
    table: Table


def headings(compared: Compared) -> tuple[str, str]:
    """The title, and the line below it."""
    if compared.theirs is None:
        return f"flushwalk: pairs of {compared.ours.label}", "What was sampled in turn, side by side."
    return ("flushwalk: two runs compared",
            f"A: {compared.ours.label}. B: {compared.theirs.label}. A ratio is B over A: above 1, B "
            "takes longer.")


def sections(compared: Compared) -> list[Section]:
    found = [] if compared.theirs is None else [_machines(compared)]
    return [*found, _scope(compared), _resolved(compared), _unresolved(compared)]


def _machines(compared: Compared) -> Section:
    rows = tuple((each.key, _short(each.ours), _short(each.theirs))
                 for each in compared.differences)
    block = Numbers(f"{wording.count(len(rows), 'key')} of machine.json differ",
                    base.Table(("", "A", "B"), rows, words=3)) if rows else Paragraph(
        "Their machine.json say the same of both.")
    return Section("machines", "What differs between the machines", (block,))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE - 3] + "..."


def _scope(compared: Compared) -> Section:
    table = compared.table
    cases = {each.case for each in table.comparisons}
    items = [f"{wording.count(len(table.comparisons), 'comparison')} of "
             f"{wording.count(len(cases), 'case')}."]
    if compared.theirs is None:
        items.append(f"Rows left out as invalid: {table.invalid[0]:,} of {table.rows[0]:,}.")
        items.append(
            "The unit is the pair: two cases that were sampled in turn in one repetition. A ratio is "
            "the median over the pairs, its interval a bootstrap over them.")
    else:
        items += [line for line in (_only("A", table.only_in[0]), _only("B", table.only_in[1]))
                  if line]
        items.append(f"Rows left out as invalid: {table.invalid[0]:,} of {table.rows[0]:,} in A, "
                     f"{table.invalid[1]:,} of {table.rows[1]:,} in B.")
        items.append(
            "Two runs are no pairs: their repetitions are resampled apart. What differs from run to "
            "run whatever is measured, such as where memory came to lie, is in the ratios and not "
            "in the intervals. Repeat both runs before you believe a small difference.")
    items.append(
        "slower and faster: the 95 % interval leaves out 1 by 0.1 % at least, and a "
        f"{'signed-rank' if table.paired else 'rank-sum'} test finds a difference at 5 %, corrected "
        "for the number of comparisons (Benjamini and Hochberg).")
    items += _drift_lines(table)
    return Section("scope", "What was compared", (Bullets(tuple(items)),))


def _only(name: str, cases: Sequence[str]) -> str:
    if not cases:
        return ""
    more = f" and {len(cases) - _MOST_NAMES} more" if len(cases) > _MOST_NAMES else ""
    shown = ", ".join(cases[:_MOST_NAMES])
    return f"Only in {name}: {wording.count(len(cases), 'case')}: {shown}{more}."


def _drift_lines(table: Table) -> Iterator[str]:
    times, ratios = table.drifting()
    yield _drift_line("Times", times, [each.time_drift.change for each in table.comparisons])
    if table.paired:
        yield _drift_line("Ratios of pairs", ratios,
                          [each.ratio_drift.change for each in table.comparisons])


def _drift_line(what: str, drifts: Sequence[bool], changes: Sequence[float]) -> str:
    found = [change for change, drift in zip(changes, drifts) if drift]
    if not found:
        return f"{what} do not drift over the repetitions (rank correlation)."
    most = max(found, key=abs)
    return (f"{what} drift over the repetitions in {len(found):,} of {len(drifts):,} comparisons "
            f"(rank correlation), by {_percent(most)} from first to second half at most.")


def _percent(log_change: float) -> str:
    return f"{100 * math.expm1(log_change):+.1f} %"


def _resolved(compared: Compared) -> Section:
    table = compared.table
    counts = ", ".join(f"{table.words.count(word):,} {word}"
                       for word in (SLOWER, FASTER, NOT_RESOLVED))
    wanted = [pair for pair in zip(table.comparisons, table.words) if pair[1] != NOT_RESOLVED]
    wanted.sort(key=lambda pair: -abs(math.log(pair[0].ratio.ratio)))
    blocks = _numbers(compared, wanted, "slower and faster, the largest difference first", False)
    return Section("resolved", counts, blocks or (Paragraph("Nothing is slower or faster."),))


def _unresolved(compared: Compared) -> Section:
    table = compared.table
    wanted = [pair for pair in zip(table.comparisons, table.words) if pair[1] == NOT_RESOLVED]
    smallest = sorted(table.smallest(each) for each, _ in wanted)
    if not wanted:
        return Section("unresolved", "Not resolved", (Paragraph("Nothing is left unresolved."),))
    finite = [value for value in smallest if math.isfinite(value)]
    lines = []
    if finite:
        lines.append(f"Differences that would have been found in nine of ten such runs: from "
                     f"{_difference(finite[0])} on in the steadiest of these comparisons, from "
                     f"{_difference(finite[len(finite) // 2])} in the median one, from "
                     f"{_difference(finite[-1])} in the noisiest.")
    if len(finite) < len(smallest):
        lines.append(f"In {len(smallest) - len(finite):,} of them no difference would have been, "
                     f"however large: too few repetitions (at least {MIN_PAIRS}, and the more the "
                     "more comparisons there are).")
    return Section("unresolved", "Not resolved", (
        Bullets(tuple(lines)),
        *_numbers(compared, wanted, NOT_RESOLVED, True)))


def _numbers(compared: Compared, pairs: Sequence[tuple[Comparison, str]], caption: str,
             folded: bool) -> tuple[Numbers, ...]:
    """A table for each bench (the first part of a case's name), a column for each axis in which its
    cases differ; the others are said once."""
    by_bench: dict[str, list[tuple[Comparison, str]]] = defaultdict(list)
    for pair in pairs:
        by_bench[axes_of(pair[0].case)[""]].append(pair)
    drifts = {each.name: drift for each, drift in zip(compared.table.comparisons,
                                                      _drift_cells(compared.table))}
    return tuple(_bench_numbers(compared.table, bench, part, drifts, caption, folded)
                 for bench, part in by_bench.items())


def _bench_numbers(table: Table, bench: str, pairs: Sequence[tuple[Comparison, str]],
                   drifts: Mapping[tuple[str, str, str], str], caption: str,
                   folded: bool) -> Numbers:
    cases = [axes_of(each.case) for each, _ in pairs]
    names = list(dict.fromkeys(name for axes in cases for name in axes if name))
    shown = [name for name in names if len({axes.get(name) for axes in cases}) > 1]
    held = "".join(f" {name}:{cases[0][name]}" for name in names if name not in shown)
    headers = ("", "ratio", "95 % interval", *shown, *(("over",) if table.paired else ()), "metric",
               *(("other", "its own") if table.paired else ("A", "B")),
               "pairs" if table.paired else "repetitions", "effect", "could resolve", "drift")
    rows = tuple((word, *_ratio_cells(each.ratio), *(axes.get(name, "-") for name in shown),
                  *((_over(each),) if table.paired else ()),
                  *_cells(each, table, drifts[each.name]))
                 for (each, word), axes in zip(pairs, cases))
    return Numbers(f"{bench}: {caption}, {len(pairs):,}{'; all' if held else ''}{held}",
                   base.Table(headers, rows, words=headers.index("metric") + 1), folded)


def _over(comparison: Comparison) -> str:
    """What the case is held against: the axes in which it differs."""
    axes, theirs = axes_of(comparison.case), axes_of(comparison.baseline)
    words = [f"{name}:{value}" for name, value in theirs.items() if axes.get(name) != value]
    return " ".join(words) if words else "without delay" if INJECTED in axes else "itself"


def _cells(each: Comparison, table: Table, drift: str) -> tuple[str, ...]:
    ratio = each.ratio
    repetitions = "{}" if table.paired else "{} + {}"
    metric = each.metric if each.role in ("initiator", "worker", "all") or each.metric == "stall" \
        else f"{each.metric} ({each.role})"
    return (
        metric, _value(each.before, each.unit), _value(each.after, each.unit),
        repetitions.format(*each.repetitions),
        "-" if math.isnan(ratio.effect) else f"{ratio.effect:+.2f}",
        _difference(table.smallest(each)), drift)


def _ratio_cells(ratio: Ratio) -> tuple[str, str]:
    interval = "-" if math.isnan(ratio.low) else f"{ratio.low:.4g}-{ratio.high:.4g}"
    return f"{ratio.ratio:.4g}", interval


def _drift_cells(table: Table) -> list[str]:
    cells = []
    for each, time, ratio in zip(table.comparisons, *table.drifting()):
        parts = [f"time {_percent(each.time_drift.change)}"] if time else []
        parts += [f"ratio {_percent(each.ratio_drift.change)}"] if ratio else []
        cells.append(", ".join(parts) or "-")
    return cells


def _value(value: float, unit: str) -> str:
    if unit == "ns":
        return wording.time(value)
    return f"{wording.three_digits(value)} {unit}"


def _difference(ratio: float) -> str:
    """1.80 %, of a ratio of 1.018."""
    if math.isinf(ratio):
        return "nothing"
    percent = 100 * (ratio - 1)
    return "under 0.01 %" if percent < 0.01 else f"{wording.three_digits(percent)} %"


def csv_rows(table: Table) -> list[dict[str, Any]]:
    """One row for each comparison; what is not known is an empty cell."""
    rows = []
    for each, word, time, ratio in zip(table.comparisons, table.words, *table.drifting()):
        values = (
            word, each.case, each.baseline, each.role, each.metric, each.unit, each.before,
            each.after, each.ratio.ratio, each.ratio.low, each.ratio.high, *each.repetitions,
            str(table.paired).lower(), each.ratio.effect, each.ratio.p, table.smallest(each),
            100 * math.expm1(each.time_drift.change), str(bool(time)).lower(),
            100 * math.expm1(each.ratio_drift.change), str(bool(ratio)).lower())
        rows.append({name: "" if isinstance(value, float) and not math.isfinite(value) else value
                     for name, value in zip(CSV_COLUMNS, values)})
    return rows
