"""Where the array of ranges beats the hull: the thread's question in a sentence, the map, what a
flush costs those who flushed nothing, and what the suite costs beside a loop by hand."""

from __future__ import annotations

import pandas as pd

from flushwalk import range_measures, wording
from flushwalk.document import Block, Bullets, Numbers, Section
from flushwalk.figures.base import Table
from flushwalk.range_measures import ARRAY_WINS, CONTROL, LOAD
from flushwalk.results import Results
from flushwalk.sections.base import Context, of_figures
from flushwalk.statistics import SLOWER

_FIGURE = of_figures("ranges", "Where the array of ranges beats the hull", ("range-crossover",))
_MOST_DEARER = 1.03  # the suite over a loop by hand


def build(context: Context) -> Section:
    figure, results = _FIGURE(context), context.results
    drawn = context.drawn.get("range-crossover")
    said = [
        "" if drawn is None else hull_against_array(drawn.frame,
                                                    range_measures.one_call_arrays(results)),
        exactly_one(results), suite_by_hand(results), reading_again(results)]
    blocks: list[Block] = [Bullets(tuple(filter(None, said)))] if any(said) else []
    table = _collateral_table(results)
    after = [Numbers("Reading the working set right after a flush, and once more; at a responder "
                     "with the reading of its clock after each page", table,
                     folded=len(table.rows) > 8)] if table.rows else []
    return Section(figure.anchor, figure.title, (*blocks, *figure.blocks, *after))


def _load(case: pd.Series) -> str:
    return (f"{wording.count(case['ranges'], 'range')} of {wording.count(case['pages'], 'page')} "
            f"with {range_measures.gap_words(case['gap_pages'])} between them")


def _over_hull(case: pd.Series) -> str:
    return wording.ratio(case["array_ratio"], case["array_low"], case["array_high"],
                         int(case["array_pairs"]), str(case["array_verdict"]))


def hull_against_array(frame: pd.DataFrame, one_call: pd.DataFrame) -> str:
    """The answer to the question after the hull with a huge gap."""
    gaps = frame[(frame["gap_pages"] > 0) & (frame["ranges"] > 1)]
    if gaps.empty:
        return ("Hull with a gap against array of ranges: not measured (no point with a gap and "
                "several ranges).")
    said = [_verdict(part) for _, part in gaps.groupby("responders")]
    return (f"Hull with a gap against array of ranges ({wording.held_axes(gaps, ('shootdown',))}): "
            f"{'; '.join(said)}; {_one_call(gaps, one_call)}")


def _verdict(part: pd.DataFrame) -> str:
    """Of the points of one number of responders."""
    wins = part[part["wins"] == ARRAY_WINS]
    beaten = part[part["array_verdict"] == SLOWER]
    paired = part[part["array_pairs"] > 0]
    widest = paired[paired["gap_pages"] == paired["gap_pages"].max()]
    few = widest[widest["pages"] == widest["pages"].min()].sort_values("ranges")
    said = (f"with {wording.axis_words('responders', float(part['responders'].iloc[0]))} the array is "
            f"cheapest at {wording.count(len(wins))} of {wording.count(len(part), 'point')}"
            f"{_where(wins)} and slower than the hull at {wording.count(len(beaten))}"
            f"{_where(beaten)}")
    if few.empty:
        return f"{said} (no valid pair of both)"
    said += f", {_load(few.iloc[0])}: {_over_hull(few.iloc[0])}"
    if len(few) > 1:
        said += f", {wording.count(few.iloc[-1]['ranges'])} of them: {_over_hull(few.iloc[-1])}"
    return said


def _where(part: pd.DataFrame) -> str:
    if part.empty:
        return ""
    return (f" ({wording.span(part['ranges'], 'range')} of {wording.span(part['pages'], 'page')})"
            if len(part) > 1 else f" ({_load(part.iloc[0])})")


def _one_call(gaps: pd.DataFrame, one_call: pd.DataFrame) -> str:
    text = ("each range of this array is a system call with its own shootdown, which a kernel's need "
            "not be")
    if one_call.empty:
        return f"{text} (dontneed, one call for many ranges, was not measured)."
    both = gaps.merge(one_call, on=["report", *LOAD, "responders"])
    if both.empty:
        return f"{text} (dontneed, one call for many ranges, was measured at none of these points)."
    most = both.sort_values(["responders", "ranges", "pages"]).iloc[-1]
    return (f"{text}: dontneed, {wording.count(most['calls'], 'call')} for {_load(most)}, took "
            f"{wording.time(most['p50_ns'])} where the array took {wording.time(most['array_ns'])} "
            f"and the hull {wording.time(most['hull_ns'])}.")


def exactly_one(results: Results) -> str:
    """A hull is one shootdown: by the responders' own count."""
    table = range_measures.exact(results)
    if table.empty:
        return "One shootdown a hull: not measured (no hull flushed with responders)."
    said = []
    for row in table.itertuples():
        valid = (f"{wording.share(row.exact, row.flushes)} of {wording.count(row.flushes)} flushes"
                 if row.flushes else "no valid flush")
        tlb = "" if pd.isna(row.tlb_interrupts) or not row.flushes else (
            f"; the TLB row moved by {wording.three_digits(row.tlb_interrupts / row.flushes)} a flush")
        said.append(f"{row.shootdown} {valid} (of all rows, invalid ones too, "
                    f"{wording.share(row.all_exact, row.all_flushes)} of "
                    f"{wording.count(row.all_flushes)}{tlb})")
    return ("Flushes of a hull in which each responder's clock had exactly one gap: "
            f"{wording.listing(said)}. A timer's interrupt in a flush makes two of one.")


def suite_by_hand(results: Results) -> str:
    table = range_measures.by_hand(results)
    if table.empty:
        return "The suite's flush over the same calls by hand: not measured (--code=suite,by_hand)."
    said = [f"{row.shootdown}, {row.gather}, {wording.count(row.ranges, 'range')}, "
            f"{wording.count(row.responders, 'responder')}: "
            f"{wording.ratio(row.ratio, row.low, row.high, row.pairs, row.verdict)}"
            for row in table.itertuples()]
    above = table[table["low"] > _MOST_DEARER]
    return (f"The suite's flush over the same calls by hand: {'; '.join(said)}. "
            f"{wording.count(len(above))} of {wording.count(len(table))} lie above "
            f"{wording.three_digits(_MOST_DEARER)} with their whole interval.")


def reading_again(results: Results) -> str:
    """The largest working set: after the flushes, and after a call that flushes nothing."""
    table = range_measures.collateral(results)
    if table.empty:
        return "Reading a working set after a flush: not measured (--working-set)."
    table = table[(table["role"] == "initiator")
                  & (table["working_set_pages"] == table["working_set_pages"].max())]
    if table.empty:
        return "Reading a working set after a flush: no valid row of the initiator."
    first = table[["report", *LOAD, "responders"]].drop_duplicates().iloc[-1]
    for axis, value in first.items():
        table = table[table[axis] == value]
    said = [f"{wording.time(row.read_ns)} after {row.shootdown} ({row.gather})"
            for row in table.itertuples() if row.shootdown != CONTROL]
    control = table[table["shootdown"] == CONTROL]
    beside = (f"{wording.time(control['read_ns'].median())} after {CONTROL}, a system call that "
              "flushes nothing" if len(control) else f"{CONTROL} was not measured beside it")
    return (f"Reading {wording.count(table['working_set_pages'].iloc[0])} live pages again at the "
            f"initiator ({_load(first)}): {wording.listing(said) or 'not measured'}; {beside}; "
            f"{wording.time(table['reread_ns'].median())} once more, with nothing in between.")


def _collateral_table(results: Results) -> Table:
    table = range_measures.collateral(results)
    rows = tuple((
        str(row.role), str(row.shootdown), str(row.gather),
        wording.count(row.ranges), wording.count(row.pages),
        range_measures.gap_words(row.gap_pages), wording.count(row.responders),
        wording.count(row.working_set_pages), wording.time(row.read_ns),
        wording.time(row.reread_ns)) for row in table.itertuples())
    return Table(("at the", "shootdown", "gather", "ranges", "pages in each", "gap", "responders",
                  "working set", "read", "read once more"), rows, words=3)


