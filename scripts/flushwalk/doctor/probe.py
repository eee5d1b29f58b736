"""Asks the machine: what it is and what it loses (machine_probe), and how small a difference a
bench can tell here (flush_walk_bench)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Sequence

from flushwalk.doctor.checks import PAIRS, Resolution, Seen
from flushwalk.facts import Facts

ROOT = Path(__file__).resolve().parents[3]
BINARIES = ROOT / "build" / "release" / "bin"
NOISE_SECONDS = 2.0
_LONGEST_PROBE = 120  # s; the probe itself takes 3, on a busy machine some more
_LONGEST_BENCH = 300

# What scripts/run measures in 100 pairs: the walk at the usual size, and a flush with a shootdown
# of one responder.
_WALK = ("--shootdown=none", "--blocks=4096", "--samples=150")
_SHOOTDOWN = ("--shootdown=mprotect_range", "--responders=1", "--blocks=64", "--samples=50")
_BENCHES = (("walks", _WALK), ("flushes with a shootdown", _SHOOTDOWN))
_COMMON = ("--walk=free_list,xarray", "--check=locked", "--gather=hull", "--full=50", "--dirty=10",
           "--queues=1", f"--repetitions={PAIRS}", "--counters=none")


class ProbeError(Exception):
    """The machine could not be asked; the text is one line that says why."""


def look(binaries: Path = BINARIES, noise_seconds: float = 0.0) -> Seen:
    """The machine, and its noise if seconds are given for it. Raises ProbeError."""
    text = _output_of([str(binaries / "machine_probe"), f"--seconds={noise_seconds:g}"],
                      _LONGEST_PROBE)
    try:
        told = json.loads(text)
        return Seen(Facts(told["machine"]), noise=told["noise"], root=os.geteuid() == 0)
    except (ValueError, TypeError, KeyError):
        raise ProbeError("machine_probe: what it told cannot be read") from None


def resolutions(binaries: Path = BINARIES) -> list[Resolution]:
    """What is resolved in a run of the suite's own bench. One that cannot run here (a shootdown on
    one CPU) is left out."""
    found = []
    for what, flags in _BENCHES:
        with tempfile.TemporaryDirectory(prefix="flushwalk-doctor-") as folder:
            command = [str(binaries / "flush_walk_bench"), *_COMMON, *flags, f"--out={folder}"]
            try:
                _output_of(command, _LONGEST_BENCH)
                each = _resolution_in(what, Path(folder))
            except ProbeError:
                continue
            found += [each] if each else []
    return found


def _resolution_in(what: str, folder: Path) -> Resolution | None:
    # Here, because pandas takes a while, and the short form does without.
    import numpy as np

    from flushwalk import results, statistics

    try:
        rows = results.load([folder]).flushes()
    except results.ReportError as error:
        raise ProbeError(str(error)) from None
    pairs = statistics.pair_ratios(rows, "xarray")
    ratio = statistics.ratio_of_pairs(pairs["log_ratio"].to_numpy(dtype=np.float64))
    if ratio.pairs < statistics.MIN_PAIRS:
        return None
    half = max(ratio.high / ratio.ratio - 1.0, 1.0 - ratio.low / ratio.ratio)
    return Resolution(what, 100.0 * half, ratio.pairs)


def _output_of(command: Sequence[str], seconds: float) -> str:
    """What a program prints; its complaint becomes a ProbeError."""
    name = Path(command[0]).name
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ProbeError(f"{name} did not end in {seconds:g} s") from None
    except OSError as error:
        raise ProbeError(f"{name}: {error.strerror}") from None
    if ended.returncode != 0:
        words = ended.stderr.decode(errors="replace").strip().splitlines()
        raise ProbeError(words[-1] if words else f"{name} failed ({ended.returncode})")
    return ended.stdout.decode(errors="replace")


def as_json(seen: Seen) -> dict[str, Any]:
    """What was seen, for doctor --json."""
    return {
        "machine": seen.machine.values,
        "noise": seen.noise,
        "resolutions": None if seen.resolutions is None else [
            {"what": each.what, "percent": each.percent, "pairs": each.pairs}
            for each in seen.resolutions],
    }
