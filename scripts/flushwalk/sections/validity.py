"""What was left out and why, and what proves that the shootdowns which are counted took place."""

from __future__ import annotations

import pandas as pd

from flushwalk import wording
from flushwalk.document import Block, Bullets, Numbers, Paragraph, Section
from flushwalk.facts import UNKNOWN, Facts
from flushwalk.figures.base import Table
from flushwalk.figures.walk_and_shootdown import proven
from flushwalk.sections.base import Context


def build(context: Context) -> Section:
    rows, invalid = context.results.rows, context.results.invalid
    blocks: list[Block] = [Paragraph(
        f"{wording.count(len(invalid))} of {wording.count(len(rows), 'row')} "
        f"{'is' if len(invalid) == 1 else 'are'} invalid. An invalid row is in no figure, table "
        "or answer of this report; it stays in measurements.csv with its reason.")]
    if len(invalid):
        blocks.append(Numbers("Rows left out, and why", _reasons(invalid)))
    notes = (*context.report.notes, *_run_notes(context.report.run))
    if notes:
        blocks.append(Bullets(notes))
    blocks += _proof(context)
    return Section("validity", "Validity", tuple(blocks))


def _reasons(invalid: pd.DataFrame) -> Table:
    """Reasons that differ in their numbers only are counted together; the first one is shown."""
    reasons = invalid["invalid_reason"].replace("", "no reason given").str.split("; ")
    rows = invalid.assign(reason=reasons).explode("reason", ignore_index=True)
    rows = rows.assign(alike=rows["reason"].str.replace(r"\d+([.,]\d+)*", "n", regex=True))
    groups = rows.groupby(["alike", "shootdown", "role"]).agg(
        reason=("reason", "first"), kinds=("reason", "nunique"), rows=("case", "size"),
        cases=("case", "nunique"))
    ordered = groups.reset_index().sort_values("rows", ascending=False, kind="stable")
    return Table(("reason", "shootdown", "role", "rows", "cases"), tuple(
        (row.reason + (" (and the like)" if row.kinds > 1 else ""), str(row.shootdown),
         str(row.role), wording.count(row.rows), wording.count(row.cases))
        for row in ordered.itertuples()), words=3)


def _run_notes(run: Facts) -> tuple[str, ...]:
    """What scripts/run could not do."""
    notes = []
    if run.value("interrupted") is True:
        notes.append("The run was interrupted: what it had measured until then is here.")
    sittings = run.value("sittings")
    if isinstance(sittings, list):
        if run.value("interrupted") is None:
            notes.append("The run was killed, or is not at its end: what it had measured until "
                         "now is here. scripts/run --resume goes on with it.")
        if len(sittings) > 1:
            began = wording.listing(str(sitting.get("began", UNKNOWN)) for sitting in sittings)
            notes.append(f"The run was measured in {len(sittings)} sittings, begun {began}. What "
                         "was sampled in turn was measured in one of them, ratios of pairs "
                         "therefore; what differs in size or load may be of several.")
    for key, how in (("cases_not_measured", "were not measured"),
                     ("cases_unfinished", "have fewer repetitions than planned")):
        cases = run.value(key)
        if isinstance(cases, list) and cases:
            notes.append(f"{wording.count(len(cases))} of {run.text('cases_planned')} planned "
                         f"cases {how}, the first of them {cases[0]}.")
    failures = run.value("failures")
    return (*notes, *(str(failure) for failure in failures)) if isinstance(
        failures, list) else tuple(notes)


def _proof(context: Context) -> list[Block]:
    rows = context.results.flushes()
    rows = rows[rows["shootdown"] != "none"]
    if rows.empty:
        return [Paragraph("This run has no valid row with a shootdown, so there is none to prove.")]
    sums = ("samples", "shootdowns_expected", "shootdowns_proven", "tlb_interrupts",
            "context_switches", "migrations", "page_faults")
    groups = rows.groupby(["shootdown", "responders"], as_index=False).agg(
        **{name: (name, lambda column: column.sum(min_count=1)) for name in sums})
    headers = ("shootdown", "responders", "flushes", "proven", "share", "TLB interrupts",
               "context switches", "migrations", "page faults")
    table = Table(headers, tuple(
        (str(row.shootdown), wording.count(row.responders), wording.count(row.samples),
         proven(row.shootdowns_proven, row.shootdowns_expected),
         wording.share(row.shootdowns_proven, row.shootdowns_expected),
         wording.count(row.tlb_interrupts), wording.count(row.context_switches),
         wording.count(row.migrations), wording.count(row.page_faults))
        for row in groups.itertuples()))
    blocks: list[Block] = [Numbers(
        "Proof of the shootdowns in valid rows: those which every responder took, seen as a gap in "
        "its own clock, of those which should have interrupted it; and what the kernel counted "
        "meanwhile (on the responders' CPUs for interrupts, for the initiator otherwise)", table)]
    expected = rows[rows["shootdowns_expected"] > 0]
    if len(expected):
        worst = expected.loc[(expected["shootdowns_proven"]
                              / expected["shootdowns_expected"]).idxmin()]
        share = wording.share(worst["shootdowns_proven"], worst["shootdowns_expected"])
        blocks.append(Paragraph(f"The least proven of these rows: {share} "
                                f"({worst['case']}, repetition {worst['repetition']})."))
    return blocks
