"""What striping buys: pairs of alloc and free a second by stripes, a line for each number of
threads; and what part of their time the most threads wait for locks, by kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from flushwalk import alloc_measures, wording
from flushwalk.alloc_measures import LOCKS
from flushwalk.figures import style
from flushwalk.figures.axes import category_axis, count_axis, number_axis, panel_inches
from flushwalk.figures.base import Figure, Table, panels

FREEING = {"same_cpu": "the thread that allocated frees", "other_cpu": "another thread frees"}
_HELD = ("pages", "revision", "flusher")
_EXCHANGE = "for the other thread's address"


def held_words(frame: pd.DataFrame) -> str:
    """1 page, v6.12, no flusher"""
    words = []
    if frame["pages"].nunique() == 1:
        words.append(wording.count(frame["pages"].iloc[0], "page"))
    if frame["revision"].nunique() == 1:
        words.append(str(frame["revision"].iloc[0]))
    if frame["flusher"].nunique() == 1:
        flusher = str(frame["flusher"].iloc[0])
        words.append("no flusher" if flusher == "none" else f"beside {flusher}")
    return ", ".join(words)


def lock_words(kind: str) -> str:
    """address space locks"""
    return f"{kind.replace('_', ' ')} locks"


def _most_threads(part: pd.DataFrame) -> pd.DataFrame:
    return part[part["threads"] == part["threads"].max()].sort_values("queues")


def draw(frame: pd.DataFrame, layout: style.Layout) -> Drawing:
    # By default the panels go by name, in which the other CPU would come first.
    parts = sorted(panels(frame, "freeing", lambda value: FREEING[str(value)]),
                   key=lambda part: str(part[1]["freeing"].iloc[0]) == "other_cpu")
    machines = style.machines_in(frame)
    exchanges = bool((frame["exchange_share"] > 0).any())
    lines = _lines(frame, machines)
    keys = [style.numbered_key(index, label) for index, (label, _) in enumerate(lines)]
    keys += [style.patch_key(lock_words(kind), style.wait_colour(kind)) for kind in LOCKS]
    keys += [style.patch_key(_EXCHANGE, style.SHOOTDOWN)] if exchanges else []
    titles = [f"Throughput: {title}" for title, _ in parts]
    waits = [(title if len(machines) == 1 else f"{title}, {machine}", ours)
             for title, part in parts for machine in machines
             for ours in [part[part["report"] == machine]] if len(ours)]
    titles += [f"Waiting, {wording.count(part['threads'].max(), 'thread')}: {title}"
               for title, part in waits]
    drawing, axes = style.new_figure(
        titles, layout, "What striping buys: allocations and frees by stripes",
        f"Pairs of alloc and free a second, median and p10 to p90 band; {held_words(frame)}. "
        "Each panel has its own scale.", keys, own_y_axes=True)
    for panel, (_, part) in zip(axes, parts):
        _throughput(panel, part, [line for _, line in lines], layout.scale)
    for panel, (_, part) in zip(axes[len(parts):], waits):
        _waiting(panel, _most_threads(part))
    return drawing


def _lines(frame: pd.DataFrame, machines: list[str]) -> list[tuple[str, pd.Index]]:
    """What a line is called, and its rows: one for each number of threads; of several machines
    one for each, with the most threads that it has."""
    if len(machines) == 1:
        return [(wording.count(float(count), "thread"), part.index)
                for count, part in frame.groupby("threads")]
    lines = []
    for machine in machines:
        ours = frame[frame["report"] == machine]
        most = ours["threads"].max()
        lines.append((f"{machine}, {wording.count(most, 'thread')}",
                      ours[ours["threads"] == most].index))
    return lines


def _throughput(panel: Axes, part: pd.DataFrame, lines: list[pd.Index], scale: str) -> None:
    for index, rows in enumerate(lines):
        line = part[part.index.isin(rows)].sort_values("queues")
        if line.empty:  # one thread has no other that frees
            continue
        drawn = style.numbered_line(index)
        panel.fill_between(line["queues"], line["throughput_p10"], line["throughput_p90"],
                           color=drawn["color"], alpha=0.2, linewidth=0)
        panel.plot(line["queues"], line["throughput"], **drawn)
    count_axis(panel, list(part["queues"]), "queues (stripes)", style.LOG)
    number_axis(panel, scale, lambda value: f"{value / 1e6:,.4g}")
    panel.set_ylabel("millions of pairs a second")


def _waiting(panel: Axes, part: pd.DataFrame) -> None:
    queues = list(part["queues"])
    place = np.arange(len(queues))
    bottom = np.zeros(len(queues))
    stack = [(f"{kind}_share", style.wait_colour(kind)) for kind in LOCKS]
    for name, colour in (*stack, ("exchange_share", style.SHOOTDOWN)):
        height = part[name].to_numpy(dtype=float) * 100
        panel.bar(place, height, 0.8, bottom=bottom, color=colour)
        bottom += height
    # As many numbers of queues as there are may be too many for their labels.
    category_axis(panel, queues, "queues (stripes)")
    room = panel_inches(panel) / max(1, len(queues))
    widest = max(len(wording.count(value)) for value in queues) * 0.09 + 0.06
    step = max(1, int(np.ceil(widest / room)))
    panel.set_xticks(place[::-1][::step][::-1])
    panel.set_xticklabels([wording.count(queues[at]) for at in place[::-1][::step][::-1]])
    panel.set_ylim(0, max(1.0, float(bottom.max()) * 1.1))
    panel.set_ylabel("share of a thread's time (%)")


def numbers(frame: pd.DataFrame) -> Table:
    several = frame["report"].nunique() > 1
    rows = []
    for case in frame.itertuples():
        waits = [getattr(case, f"{kind}_share") for kind in LOCKS]
        rows.append((
            *([case.report] if several else []), case.freeing.replace("_", " "),
            wording.count(case.threads), wording.count(case.queues), rate(case.throughput),
            gain(case.gain, case.gain_low, case.gain_high, case.pairs),
            wording.time(case.pair_ns), *(part(share) for share in waits),
            part(case.exchange_share)))
    headers = (*(["report"] if several else []), "freed by", "threads", "queues", "pairs a second",
               "over fewest queues", "pair", *(lock_words(kind) for kind in LOCKS),
               "other thread")
    return Table(headers, tuple(rows), words=2 if several else 1)


def rate(pairs_a_second: float) -> str:
    """13.1 million"""
    return f"{wording.three_digits(pairs_a_second / 1e6)} million"


def part(share: float) -> str:
    """12.3 %"""
    return "unknown" if np.isnan(share) else f"{share * 100:.1f} %"


def gain(value: float, low: float, high: float, pairs: int) -> str:
    """1.90x (95 % interval 1.85-1.95, 20 pairs)"""
    if np.isnan(value):
        return "not measured"
    if np.isnan(low):
        return f"{wording.three_digits(value)}x (no interval: {wording.count(pairs, 'pair')})"
    if low == high == 1.0:
        return "1"
    return (f"{wording.three_digits(value)}x (95 % interval {wording.three_digits(low)}-"
            f"{wording.three_digits(high)}, {wording.count(pairs, 'pair')})")


def sentence(frame: pd.DataFrame) -> str:
    said = []
    several = frame["report"].nunique() > 1
    for report in frame["report"].unique():
        ours = frame[frame["report"] == report]
        for freeing in sorted(ours["freeing"].unique(), reverse=True):
            line = _most_threads(ours[ours["freeing"] == freeing])
            said.append((f"{report}: " if several else "") + _said(line, str(freeing)))
    return " ".join(said)


def _told(line: pd.DataFrame) -> set[float]:
    """The fewest queues, the first number that gives each thread its own, and the most."""
    enough = line.loc[line["queues"] >= line["threads"], "queues"]
    return {line["queues"].min(), line["queues"].max(), *enough.head(1)}


def _said(line: pd.DataFrame, freeing: str) -> str:
    first, last = line.iloc[0], line.iloc[-1]
    shares = {kind: float(first[f"{kind}_share"]) for kind in LOCKS}
    most = max(shares, key=lambda kind: shares[kind])
    rates = [f"{rate(case.throughput)} with {wording.count(case.queues, 'queue')}"
             for case in line[line["queues"].isin(_told(line))].itertuples()]
    words = (f"{wording.count(first['threads'], 'thread')}, where {FREEING[freeing]}: pairs a "
             f"second {wording.listing(rates)}, which is "
             f"{gain(last['gain'], last['gain_low'], last['gain_high'], last['pairs'])} of "
             f"{wording.count(first['queues'], 'queue')}")
    if shares[most] >= 0.01:
        words += (f". With {wording.count(first['queues'], 'queue')} a thread waits "
                  f"{part(shares[most])} of its time for {lock_words(most)}")
    return words + "."


def reading(frame: pd.DataFrame) -> str:
    return ("Thread t allocates from queue t mod queues; no memory is mapped, and nothing is shot "
            "down. Waiting is the time from finding a lock taken to having it. What a thread loses "
            "because cache lines move between CPUs without its having to wait is not in it. "
            f"Held: {held_words(frame)}.")


FIGURE = Figure(
    name="alloc-free",
    title="Allocations and frees by stripes",
    needs="--threads=1,2 --queues=1,2,4,16,64,256,1024 --pages=1 --samples=2 "
          "--repetitions=100",
    collect=alloc_measures.by_stripes, draw=draw, numbers=numbers, sentence=sentence,
    reading=reading, bench="alloc_free_bench", scales=(style.LINEAR, style.LOG))
