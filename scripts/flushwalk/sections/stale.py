"""Stale aliases: counted by the ledger, and shown on real memory."""

from __future__ import annotations

from typing import Any, Mapping

from flushwalk import wording
from flushwalk.document import Block, Command, Paragraph, Section
from flushwalk.sections.base import Context, of_figures

_COUNTED = of_figures("stale", "Stale aliases", ("stale-slots",))


def build(context: Context) -> Section:
    counted = _COUNTED(context)
    return Section(counted.anchor, counted.title,
                   (*counted.blocks, *_on_real_memory(context)))


def _on_real_memory(context: Context) -> list[Block]:
    found, folder = context.report.stale_alias, context.shown_folder
    walks = found.value("walks")
    known = [walk for walk in walks if isinstance(walk, Mapping)] if isinstance(walks, list) else []
    if not known:
        return [Paragraph("Whether a stale alias can be read and written on this machine was not "
                          "tried in this run. This tries it:"),
                Command(f"build/release/bin/stale_alias --json > {folder}/stale_alias.json\n"
                        f"scripts/report {folder}")]
    said = "; ".join(f"with the {wording.walk_name(str(walk.get('walk', 'unknown')))} walk "
                     f"{_what_happened(walk)}" for walk in known)
    return [Paragraph("On real memory (stale_alias: a page is freed, gets a new owner, and is "
                      f"accessed through its old address after the flush): {said}.")]


def _what_happened(walk: Mapping[str, Any]) -> str:
    happened = [words for key, words in (
        ("read_new_owner", "read the new owner's data"),
        ("overwrote_new_owner", "overwrote it")) if walk.get(key) is True]
    if happened:
        return f"the old address {wording.listing(happened)}"
    if walk.get("fault"):
        return f"the access faulted ({walk['fault']})"
    return "the outcome is unknown"
