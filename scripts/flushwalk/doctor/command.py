"""scripts/doctor, once what it needs is built."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

from flushwalk.cli import EXIT_BAD_INPUT
from flushwalk.doctor import options, probe, tuning, words
from flushwalk.doctor.checks import Findings, Seen, Verdict, examine

SCHEMA_VERSION = 1
EXIT_SPOILED = 1


def _complain(text: str) -> None:
    print(f"{options.PROGRAM}: {text}", file=sys.stderr, flush=True)


def _as_json(seen: Seen, findings: Findings) -> str:
    told = {
        "schema_version": SCHEMA_VERSION,
        "findings": [
            {"name": finding.check.name, "value": finding.value,
             "verdict": finding.verdict.value, "why": finding.check.why,
             "mend": finding.check.mend} for finding in findings.all],
        **probe.as_json(seen),
    }
    return json.dumps(told, indent=2)


def _examine(wanted: options.Request) -> int:
    try:
        seen = probe.look(noise_seconds=probe.NOISE_SECONDS)
        seen = dataclasses.replace(seen, resolutions=probe.resolutions())
    except probe.ProbeError as error:
        _complain(str(error))
        return EXIT_SPOILED
    findings = examine(seen)
    if wanted.json:
        print(_as_json(seen, findings))
    else:
        words.print_all(seen, findings)
    return EXIT_SPOILED if wanted.strict and findings.of(Verdict.SPOILS) else 0


def _tune(wanted: options.Request) -> int:
    def tell(line: str) -> None:
        print(f"{options.PROGRAM}: {line}", file=sys.stderr, flush=True)

    status = tuning.tuned(wanted.root, wanted.command, tell, _complain)
    if status is None:
        _complain("--tune: nothing could be set; it needs root")
        return EXIT_BAD_INPUT
    return status


def main(arguments: Sequence[str]) -> int:
    wanted = options.request(arguments)
    try:
        return _tune(wanted) if wanted.tune else _examine(wanted)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # scripts/doctor | head
        sys.stderr.close()
        return 0
