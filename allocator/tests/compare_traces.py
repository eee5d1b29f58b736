#!/usr/bin/env python3
"""Replays every trace in every revision and compares each answer with the kernel's own, field by field.

With --variation (flags of vmap_replay) what a flush visits and locks, and in which order, is its own."""

from __future__ import annotations

import argparse
import json
import lzma
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def recorded_answers(trace: Path, revision: str) -> Iterator[dict[str, Any]] | None:
    """The kernel's answers to a trace, or None where none were recorded."""
    plain = trace.with_suffix(f".{revision}.jsonl")
    packed = plain.with_name(plain.name + ".xz")
    if plain.exists():
        text = plain.read_text()
    elif packed.exists():
        text = lzma.open(packed, "rt").read()
    else:
        return None
    return map(json.loads, text.splitlines())


def without_the_walk(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what a walk of another kind may do otherwise."""
    if "visited_cpu" in answer:
        for field in ("visited", "visited_cpu", "vb_locks"):
            answer.pop(field)
    for field in ("ranges", "purged"):
        if field in answer:
            answer[field] = sorted(answer[field], key=lambda each: each["block"])
    return answer


def first_difference(
    replayed: str, recorded: Iterator[dict[str, Any]], varied: bool
) -> str | None:
    """The first answer that differs, told in one line; None when all are equal."""
    answers = [json.loads(line) for line in replayed.splitlines()]
    expected = list(recorded)
    if varied:
        answers = [without_the_walk(answer) for answer in answers]
        expected = [without_the_walk(answer) for answer in expected]
    for ours, theirs in zip(answers, expected):
        for field in dict.fromkeys([*theirs, *ours]):
            if field not in ours or field not in theirs or ours[field] != theirs[field]:
                return (
                    f"answer {theirs['i']} ({theirs['op']}), {field}: "
                    f"{ours.get(field, 'missing')!r}, the kernel has {theirs.get(field, 'nothing')!r}"
                )
    if len(answers) != len(expected):
        return f"{len(answers)} answers, the kernel gave {len(expected)}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("replay", type=Path, help="the vmap_replay binary")
    parser.add_argument("traces", type=Path, help="folder with NAME.trace and NAME.REVISION.jsonl[.xz]")
    parser.add_argument("--revisions", default="v6.4,p1,p2,p3,p4,p5,p6,v6.12")
    parser.add_argument("--variation", default="", help="flags of vmap_replay, separated by spaces")
    arguments = parser.parse_args()
    variation = arguments.variation.split()
    compared = equal = 0
    for trace in sorted(arguments.traces.glob("*.trace")):
        for revision in arguments.revisions.split(","):
            recorded = recorded_answers(trace, revision)
            if recorded is None:
                continue
            compared += 1
            run = subprocess.run(
                [arguments.replay, f"--revision={revision}", *variation, trace],
                capture_output=True,
                text=True,
            )
            if run.returncode != 0:
                print(f"{trace.name} {revision}: exit {run.returncode}: {run.stderr.strip()}")
                continue
            difference = first_difference(run.stdout, recorded, bool(variation))
            if difference is None:
                equal += 1
            else:
                print(f"{trace.name} {revision}: {difference}")
    print(f"{equal} of {compared} answers equal to the kernel's")
    return 0 if compared > 0 and equal == compared else 1


if __name__ == "__main__":
    sys.exit(main())
