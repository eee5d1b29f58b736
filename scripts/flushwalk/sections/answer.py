"""The first section: whether patch 1 is expensive here, and the run in five lines."""

from __future__ import annotations

from flushwalk import verdict
from flushwalk.answer import answer_lines
from flushwalk.document import Answer, Section
from flushwalk.sections.base import Context


def build(context: Context) -> Section:
    return Section("answer", "The answer", (Answer(
        verdict.QUESTION, verdict.sentences(context.results), answer_lines(context.results)),))
