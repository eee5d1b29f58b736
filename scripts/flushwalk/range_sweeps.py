"""Which ranges a run flushes without a walk: the map of hull, array and full flush, with its controls.

Plain sweeps of flush_range_bench. Their axes stand in the order of the bench's case names.
"""

from __future__ import annotations

from flushwalk.sweeps import Plain, Sweep

GATHERS = ("hull", "runs", "full")
WORKING_SETS = (64, 512, 1536)
CEILING = (33, 34)  # pages of the last range flushed one by one, and of the first that is not
_WIDE = "255g"
# Of the array's ranges, each a shootdown: a guest's 40 us, and 150 us where 33 pages are flushed one
# by one. Beside them an untimed flush in each batch of ten.
_SECONDS_A_CALL = 80e-6
_SECONDS_A_SAMPLE = 150e-6


def _sweep(title: str, samples: int, repetitions: int, *, ranges: tuple[int, ...],
           pages: tuple[int, ...], gap: tuple[str, ...], responders: tuple[int, ...],
           gather: tuple[str, ...] = GATHERS, shootdown: tuple[str, ...] = ("mprotect_range",),
           working_set: tuple[int, ...] = (0,), code: tuple[str, ...] = ("suite",)) -> Plain:
    array = 1 / len(gather) if "runs" in gather and shootdown != ("dontneed",) else 0.0
    calls = array * sum(ranges) / len(ranges)
    untimed = 1 + 1 / min(samples, 10)
    return Plain(
        f"ranges, {title}", samples=samples, repetitions=repetitions, program="flush_range_bench",
        values=(
            ("gather", gather), ("shootdown", shootdown), ("ranges", ranges), ("pages", pages),
            ("gap", gap), ("working_set", working_set), ("code", code), ("responders", responders),
        ),
        seconds_a_sample=untimed * (_SECONDS_A_SAMPLE + _SECONDS_A_CALL * calls))


def _controls(responders: tuple[int, ...], samples: int, repetitions: int) -> list[Sweep]:
    """What a flush costs others, one shootdown a hull, and what the suite's code costs."""
    return [
        _sweep("and the working set", samples, repetitions, ranges=(4,), pages=(8,),
               gap=("block",), responders=responders, working_set=WORKING_SETS,
               shootdown=("mprotect_range", "noop")),
        _sweep("cold hulls", samples, 3 * repetitions, ranges=(2, 16), pages=(8,), gap=("block", _WIDE),
               responders=responders, gather=("hull",), shootdown=("cold_range",)),
        _sweep("by hand", samples, repetitions, ranges=(32,), pages=(8,), gap=("block",),
               responders=(0,), gather=("hull", "runs"), code=("suite", "by_hand"),
               # noop: the calls alone, of which the suite's own code is the largest share.
               shootdown=("mprotect_range", "cold_range", "noop")),
    ]


def quick(cpus: int) -> list[Sweep]:
    """Some ten seconds on two CPUs. The more shootdowns a repetition has, the more likely one of them
    cannot be proven: few samples, and many repetitions."""
    pages, gaps = (1, 8, *CEILING), ("0", "block", _WIDE)
    most = (min(cpus - 1, 1),)
    sweeps: list[Sweep] = []
    for responders in sorted({0, *most}):
        count = f"{responders} responder{'' if responders == 1 else 's'}"
        sweeps += [
            _sweep(f"few, {count}", 5, 12, ranges=(1, 2, 4), pages=pages, gap=gaps,
                   responders=(responders,)),
            _sweep(f"some, {count}", 2, 12, ranges=(16,), pages=pages, gap=gaps,
                   responders=(responders,)),
        ]
    return [
        *sweeps,
        _sweep("in one call", 5, 15, ranges=(2, 16), pages=pages, gap=("block", _WIDE),
               responders=most, gather=("runs",), shootdown=("dontneed",)),
        *_controls(most, 10, 12),
    ]


def full(cpus: int) -> list[Sweep]:
    """A few minutes on two CPUs."""
    responders = (0,) if cpus == 1 else (0, 1)
    pages = (1, 8, 32, *CEILING, 64, 512)
    near = ("0", "block", "1g")
    return [
        _sweep("few", 5, 25, ranges=(1, 2, 4, 8), pages=pages, gap=(*near, _WIDE),
               responders=responders),
        _sweep("some", 2, 20, ranges=(16, 64), pages=pages, gap=(*near, _WIDE),
               responders=responders),
        _sweep("hundreds", 1, 10, ranges=(256,), pages=pages, gap=near, responders=responders),
        # A wider gap between them does not fit into the addresses of a process.
        _sweep("a thousand", 1, 6, ranges=(1024,), pages=pages, gap=near, responders=responders),
        _sweep("in one call", 5, 20, ranges=(1, 2, 4, 8, 16, 64), pages=pages,
               gap=(*near[1:], _WIDE), responders=responders, gather=("runs",),
               shootdown=("dontneed",)),
        *_controls(responders[-1:], 20, 20),
    ]
