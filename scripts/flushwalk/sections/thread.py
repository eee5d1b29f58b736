"""The questions of the series' mail thread, taken one by one, each answered from this run."""

from __future__ import annotations

from typing import Any, Mapping

import pandas as pd

from flushwalk import range_measures, wording
from flushwalk.document import Block, Command, Numbers, Paragraph, Section
from flushwalk.figures.base import Table
from flushwalk.sections.base import Context, picture
from flushwalk.sections.flush_ranges import hull_against_array
from flushwalk.sections.patch_series import patch_sentence
from flushwalk.thread_measures import objects, window_costs

_BIN = "build/release/bin"
_METRICS = {"pair_time": "an alloc and its free", "free_time": "a free", "flush_time": "a flush"}


def build(context: Context) -> Section:
    """Each question with its answer; where the run has none, the command that gives one."""
    blocks: list[Block] = []
    for ask in (_stale, _deferred, _direct_return, _no_rcu, _hull_or_array, _over_and_over,
                _window):
        blocks += ask(context)
    return Section("thread", "The thread's questions", tuple(blocks))


def _unanswered(question: str, command: str, context: Context) -> list[Block]:
    folder = context.shown_folder
    return [Paragraph(f"{question} This run does not tell. This does:"),
            Command(f"{_BIN}/{command.format(folder=folder)}\nscripts/report {folder}")]


def _answers(context: Context, name: str) -> list[Mapping[str, Any]]:
    return objects(context.report.thread, name)


def _by(found: list[Mapping[str, Any]], key: str) -> dict[object, Mapping[str, Any]]:
    return {one.get(key): one for one in found}


def _stale(context: Context) -> list[Block]:
    question = "(a) X and Y fill a block, Y is freed, unmap_aliases: is Y still mapped?"
    found = context.report.stale_alias.value("walks")
    walks = [walk for walk in found if isinstance(walk, Mapping)] if isinstance(found, list) else []
    known = [walk for walk in walks if "stale" in walk]
    if not known:
        return _unanswered(question, "stale_alias --json > {folder}/stale_alias.json", context)
    said = wording.listing(
        f"in {walk.get('revision')} " + (
            f"yes: {wording.count(float(walk.get('stale_pages', 0)), 'page')} stale, the old "
            "address reads and overwrites the next owner's data" if walk["stale"] else
            f"no, the access faults ({walk.get('fault')})") for walk in known)
    return [Paragraph(f"{question} On real memory {said}. {_BIN}/stale_alias tells it step by step.")]


def _deferred(context: Context) -> list[Block]:
    question = ("(b) \"Deferred, not missed\": how long does a freed page of a full block stay stale "
                "under v6.4, until the rest of the block is freed?")
    found = [one for one in _answers(context, "deferred") if one.get("revision") == "v6.4"]
    if not found or "deferral" not in context.drawn:
        return _unanswered(question, "thread_answers > {folder}/thread.json", context)
    said = []
    for one in found:
        times = one.get("ns")
        if isinstance(times, Mapping):
            pages, never = float(one["pages"]), float(one["never_flushed_pages"])
            said.append(
                f"in time, as {wording.count(float(one['threads']), 'thread')} had it on real "
                f"memory: half within {wording.time(float(times['p50']))}, 90 % within "
                f"{wording.time(float(times['p90']))}, the longest "
                f"{wording.time(float(times['max']))}; {wording.share(never, pages)} were stale "
                "when the load ended")
    words = f" {wording.listing(said).capitalize()}." if said else ""
    return [Paragraph(f"{question} In flushes: see the figure.{words} A page of a block whose last "
                      "page is never freed is missed for good: \"deferred\" has no bound."),
            picture(context.drawn["deferral"])]


def _direct_return(context: Context) -> list[Block]:
    question = ("(c) Could a fully dirty block go straight back to the free space when it was \"fully "
                "flushed\"?")
    found = _by(_answers(context, "direct_return"), "last_free")
    ours = found.get("direct_return")
    if ours is None:
        return _unanswered(question, "thread_answers > {folder}/thread.json", context)
    stale = float(ours["stale_pages"])
    again = (" The next allocation has the same address."
             if ours.get("address_handed_out_again") else "")
    kernel = found.get("lazy")
    beside = ("" if kernel is None else
              f" The kernel's way leaves {wording.count(float(kernel['stale_pages']))}.")
    if stale == 0:
        return [Paragraph(f"{question} In this run the sequence left no stale page.")]
    return [Paragraph(
        f"{question} No. X and Y fill a block; Y is freed and flushed "
        f"({wording.count(float(ours['first_flush_pages']), 'page')}), which resets the block's dirty "
        "range: nothing of it is dirty and not flushed. X is freed, the block's last: it counts as "
        f"fully flushed and goes back, with {wording.count(float(ours['lazy_pages_then']))} pages on "
        "the lazy list. The next unmap_aliases finds no block and no lazy area and flushes "
        f"{wording.count(float(ours['second_flush_pages']))} pages: "
        f"{wording.count(stale, 'page')} of X stale.{again}{beside} What the last free itself frees "
        "was in no flush, so a block is never fully flushed at that moment; a test that counts them "
        "in never holds. Nor does an empty range say that the flush is over: it is reset before. "
        f"{_BIN}/stale_oracle --last-free=direct_return shows it under threads.")]


def _no_rcu(context: Context) -> list[Block]:
    question = "(d) What protects the walk over the xarray?"
    found = _by(_answers(context, "no_rcu"), "read_section")
    inside, outside = found.get(True), found.get(False)
    if inside is None or outside is None:
        return _unanswered(question, "thread_answers > {folder}/thread.json", context)
    return [Paragraph(
        f"{question} RCU. A reader walks while a writer erases and inserts; what would be freed is "
        f"poisoned. Inside a read-side critical section {wording.count(float(inside['dead']))} of "
        f"{wording.count(float(inside['visited']), 'visited entry').replace('entrys', 'entries')} "
        f"would have been freed; outside of one {wording.count(float(outside['dead']))} of "
        f"{wording.count(float(outside['visited']))}. {_BIN}/thread_answers shows it; the torture "
        "test of the xarray (allocator/tests/xarray_torture_test.cc) plants the same bug.")]


def _hull_or_array(context: Context) -> list[Block]:
    question = "(e) One hull over a huge gap, or an array of ranges?"
    drawn = context.drawn.get("range-crossover")
    if drawn is None:
        return _unanswered(question, "flush_range_bench --ranges=1,8,64 --pages=1,34 --gap=0,block,1g "
                           "--responders=1 --out={folder}", context)
    said = hull_against_array(drawn.frame, range_measures.one_call_arrays(context.results))
    return [Paragraph(f"{question} {said}")]


def _over_and_over(context: Context) -> list[Block]:
    question = "(f) What did flushing the same dirty space over and over cost?"
    drawn = context.drawn.get("patch-series")
    said = "" if drawn is None else patch_sentence(drawn.frame, "p3", "second_flush")
    if not said:
        return _unanswered(
            question, "patch_series_bench --workload=second_flush --revision=p2,p3 "
            "--shootdown=none,mprotect_range --responders=1 --out={folder}", context)
    return [Paragraph(f"{question} 256 dirty blocks that were flushed just now, and one more flush, "
                      f"p2 against {said}")]


def _window(context: Context) -> list[Block]:
    question = ("The residual window, in every kernel: a block's last free has dropped its lock and "
                "not reached the lazy list. Is it hit, and what does closing it cost?")
    found = _by(_answers(context, "window"), "last_free")
    open_, closed = found.get("lazy"), found.get("closed_window")
    if open_ is None or closed is None:
        return _unanswered(question, "thread_answers > {folder}/thread.json", context)
    text = (f"{question} Provoked by real threads, {_rate(open_)}; closed (closed_window: the area is "
            f"on the lazy list before the block's lock is dropped), {_rate(closed)}.")
    costs = window_costs(context.results)
    if costs.empty:
        return [Paragraph(text), *_unanswered(
            "What that costs:", "alloc_free_bench --queues=1 --pages=32 "
            "--last-free=lazy,closed_window --flusher=none,unmap_aliases --samples=8 "
            "--repetitions=40 --out={folder}", context)]
    return [Paragraph(text), _costs(costs)]


def _rate(one: Mapping[str, Any]) -> str:
    hit, frees = float(one["windows_hit"]), float(one["last_frees"])
    return (f"it was hit by {wording.count(hit)} of {wording.count(frees)} last frees "
            f"({100 * hit / frees:.2g} %)" if frees else "no block was freed")


def _costs(costs: pd.DataFrame) -> Numbers:
    rows = tuple(
        (_METRICS[str(case.metric)], str(case.flusher).replace("_", " "),
         wording.count(case.pages), wording.time(case.open_ns), wording.time(case.closed_ns),
         wording.ratio(case.ratio, case.ratio_low, case.ratio_high, case.pairs, case.verdict))
        for case in costs.itertuples())
    return Numbers("What closing the residual window costs",
                   Table(("", "beside", "pages", "open", "closed", "closed over open"), rows,
                         words=2))
