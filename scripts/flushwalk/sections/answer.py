"""The first section: the run in five lines."""

from __future__ import annotations

from flushwalk.answer import answer_lines
from flushwalk.document import Answer, Section
from flushwalk.sections.base import Context


def build(context: Context) -> Section:
    return Section("answer", "The answer", (Answer(answer_lines(context.results)),))
