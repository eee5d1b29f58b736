"""The doctor's short form, which scripts/run begins with: settings alone, in a second."""

from __future__ import annotations

from pathlib import Path

from flushwalk.doctor import checks, probe, words


def is_fit(binaries: Path, strict: bool) -> bool:
    """Prints the short form; whether to measure. Strictly not where something spoils, or where the
    machine could not be examined."""
    try:
        findings = checks.examine(probe.look(binaries))
    except probe.ProbeError as error:
        print(f"doctor: {error}", flush=True)
        return not strict
    for line in words.short_lines(findings):
        print(line, flush=True)
    return not (strict and findings.of(checks.Verdict.SPOILS))
