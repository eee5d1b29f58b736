"""How it was measured, each source of noise with what is done about it; and how to repeat it."""

from __future__ import annotations

import shlex

import pandas as pd

from flushwalk import wording
from flushwalk.document import Block, Bullets, Command, Paragraph, Section
from flushwalk.facts import UNKNOWN, Facts
from flushwalk.sections.base import Context
from flushwalk.statistics import MIN_PAIRS


def build(context: Context) -> Section:
    machine, rows = context.report.machine, context.results.flushes()
    return Section("method", "How it was measured", (Bullets((
        _clock(machine),
        _samples(rows),
        "Drift of the machine: walks that are compared are sampled in turn (A B B A or B A A B, by "
        "lot); a ratio is taken within each such pair, and its 95 % interval is a bootstrap over "
        "the pairs (seeded: the same rows give the same interval). slower and faster mean that the "
        "interval leaves out 1 by 0.1 % at least, and that the signed-rank test finds a difference, at 5 % and "
        "corrected for the number of comparisons in its table (Benjamini and Hochberg); otherwise, and with fewer "
        f"than {MIN_PAIRS} pairs, it is not resolved.",
        "Interruptions and steal: percentiles are exact, from every sample kept; figures show the "
        "median, with p10 and p90, not the mean.",
        "Moving threads: the initiator and each responder are pinned to a CPU of their own; "
        "migrations and context switches are counted in every row.",
        "What is not under test: setting up the blocks stands outside the timed part; the timed "
        "part allocates nothing and makes no system call but the shootdown's.",
        "A shootdown, here, is a system call of the initiator that makes the kernel interrupt the "
        "CPUs on which the responders, threads of the same process, hold the pages in their TLBs. "
        "It is proven where every responder saw a gap in its clock inside the flush; a stall is "
        "the longest such gap. Where a responder was not running there is nothing to interrupt, "
        "the call is cheap for that reason, and the row is invalid.",
        "Where this differs from the kernel: the kernel clears page tables when a slot is freed "
        "and defers only the TLB flush. In user space the translation stays alive until the flush: "
        "a stale alias is certain here, where it is likely there.",
    )),))


def _clock(machine: Facts) -> str:
    source = machine.text("clock.source")
    if source == UNKNOWN:
        return "The clock: unknown."
    text = f"The clock: {source}"
    frequency = machine.value("clock.frequency_hz")
    if isinstance(frequency, (int, float)):
        text += f" at {wording.three_digits(frequency / 1e6)} MHz"
    error = machine.value("clock.calibration_error_ppm")
    if isinstance(error, (int, float)):
        text += f", calibrated to {wording.three_digits(error)} ppm"
    overhead, tail = machine.value("clock.overhead_ns"), machine.value("clock.overhead_p99_ns")
    if isinstance(overhead, (int, float)):
        text += f"; its own overhead is {wording.time(overhead)}"
        if isinstance(tail, (int, float)):
            text += f" (p99 {wording.time(tail)})"
    else:
        text += "; its overhead is unknown"
    return text + ". The overhead is contained in every sample, and not subtracted."


def _samples(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Samples: no valid row of a flush."
    samples, repetitions = rows["samples"], rows.groupby("case").size()

    def span(low: float, high: float) -> str:
        least, most = wording.count(low), wording.count(high)
        return least if low == high else f"{least} to {most}"

    return (f"Samples: {wording.count(len(repetitions), 'case')}, "
            f"{span(repetitions.min(), repetitions.max())} repetitions each, "
            f"{span(samples.min(), samples.max())} flushes a repetition, "
            f"{wording.count(samples.sum())} flushes in all (valid rows).")


def repeat(context: Context) -> Section:
    machine = context.report.machine
    # What scripts/run was called with, which calls the benches; else the bench's own line.
    line = context.report.run.value("command_line") or machine.value("command_line")
    blocks: list[Block]
    if isinstance(line, list) and line:
        revision = machine.text("flushwalk.git_revision")
        checkout = f"git checkout {revision}\n" if revision != UNKNOWN else ""
        blocks = [Command(checkout + shlex.join(str(word) for word in line))]
    else:
        blocks = [Paragraph("The command line of this run is unknown.")]
    blocks += [Paragraph("This page and its figures, from the folder's rows:"),
               Command(f"scripts/report {context.shown_folder}")]
    return Section("repeat", "The command that repeats it", tuple(blocks))
