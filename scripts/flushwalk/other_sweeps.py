"""What a run measures besides flushes: what each patch bought, stripes, the index.

Plain sweeps of the other benches. Their axes stand in the order of the benches' case names.
"""

from __future__ import annotations

from flushwalk.sweeps import Peers, Plain, Sweep
from flushwalk.walks import WALKS

SMALL_WORKLOADS = (
    "full_blocks",
    "purgeable_blocks",
    "second_flush",
    "crowded_list",
    "drained_block",
    "sparse_cpus",
)
MIXED_WORKLOADS = ("churn", "nearly_full", "many_cpus")
REVISIONS = ("v6.4", "p1", "p2", "p3", "p4", "p5", "p6", "v6.12")
STRIPES = (1, 2, 4, 16, 64, 256, 1024)
# What a free does for the others it does for cursor_scan.
WALKS_OF_A_FREE = tuple(name for name in WALKS if name != "cursor_scan")
CONTAINERS = ("xarray", "std_map", "absl_btree_map", "judyl", "lfht")
OPERATIONS = ("insert", "load", "erase", "iterate", "iterate_cursor")
FURTHER_OPERATIONS = ("iterate_cursor_scan", "iterate_marked", "set_mark")
SPARSE = ("every_64th", "random")


def patch_series(
    title: str,
    workloads: tuple[str, ...],
    shootdown: str,
    responders: int,
    samples: int,
    repetitions: int,
    seconds_a_sample: float,
) -> Plain:
    return Plain(
        f"what each patch bought, {title}",
        samples=samples,
        repetitions=repetitions,
        program="patch_series_bench",
        values=(
            ("workload", workloads),
            ("revision", REVISIONS),
            ("shootdown", (shootdown,)),
            ("responders", (responders,)),
        ),
        seconds_a_sample=seconds_a_sample,
    )


def alloc_free(
    title: str,
    samples: int,
    repetitions: int,
    seconds_a_sample: float = 1.5e-3,
    *,
    threads: tuple[int, ...] = (1,),
    queues: tuple[int, ...] = (1,),
    pages: tuple[int, ...] = (1,),
    revisions: tuple[str, ...] = ("v6.12",),
    freeing: str = "same_cpu",
    flusher: str = "none",
    other_blocks: tuple[int, ...] = (0,),
    further: tuple[tuple[str, tuple[object, ...]], ...] = (),
) -> Plain:
    """`further`: axes that stand in a case's name only where they are used."""
    return Plain(
        f"alloc and free, {title}",
        samples=samples,
        repetitions=repetitions,
        program="alloc_free_bench",
        unnamed=("last_free:lazy",),
        values=(
            ("threads", threads),
            ("queues", queues),
            ("pages", pages),
            ("revision", revisions),
            ("freeing", (freeing,)),
            ("flusher", (flusher,)),
            ("other_blocks", other_blocks),
            *further,
        ),
        seconds_a_sample=seconds_a_sample,
    )


def upkeep(samples: int, repetitions: int) -> list[Plain]:
    """What each walk costs a free: alone, and with its share of a flush over 4,096 blocks."""
    return [
        alloc_free(
            f"by walk, {'no flush' if every is None else f'a flush every {every} pairs'}",
            samples,
            repetitions,
            0.3e-3 if every is None else 0.3e-3 + 30e-6 * 1024 / every,
            queues=(2,),
            other_blocks=(4096,),
            further=(
                ("other_full", (50,)),
                *([("flush_every", (every,))] if every is not None else []),
                ("walk", WALKS_OF_A_FREE),
            ),
        )
        for every in (None, 16, 256)
    ]


def closed_window(cpus: int, repetitions: int) -> list[Plain]:
    """What closing the residual window costs: a free, and a flush beside it. 32 pages: every 32nd
    free is a block's last."""
    further = (("last_free", ("lazy", "closed_window")),)
    sweeps = [
        alloc_free("the window closed", 8, repetitions, 0.2e-3, pages=(32,), further=further)
    ]
    if cpus > 1:
        sweeps.append(
            alloc_free(
                "the window closed, beside a flusher", 2, repetitions, 4e-3,
                pages=(32,), flusher="unmap_aliases", further=further,
            )
        )
    return sweeps


def index(
    title: str,
    samples: int,
    repetitions: int,
    entries: tuple[int, ...],
    keys: tuple[str, ...],
    operations: tuple[str, ...],
    seconds_a_sample: float,
) -> Peers:
    return Peers(
        f"the index, {title}",
        samples=samples,
        repetitions=repetitions,
        program="xarray_bench",
        values=(
            ("container", CONTAINERS),
            ("operation", operations),
            ("entries", entries),
            ("keys", keys),
        ),
        seconds_a_sample=seconds_a_sample,
    )


def quick(cpus: int) -> list[Sweep]:
    """About a minute on two CPUs."""
    sweeps: list[Sweep] = [
        patch_series("walk alone", SMALL_WORKLOADS, "none", 0, 40, 20, 90e-6),
        patch_series("mixed, walk alone", MIXED_WORKLOADS, "none", 0, 5, 20, 400e-6),
    ]
    if cpus > 1:
        sweeps += [
            patch_series("range flush", SMALL_WORKLOADS, "mprotect_range", 1, 10, 30, 250e-6),
            patch_series("mixed, range flush", MIXED_WORKLOADS, "mprotect_range", 1, 1, 60, 2e-3),
        ]
    threads = (1, 2) if cpus > 1 else (1,)
    sweeps.append(alloc_free("by stripes", 2, 30, threads=threads, queues=STRIPES))
    if cpus > 1:
        sweeps.append(
            alloc_free(
                "by stripes, another CPU frees",
                2,
                40,
                4e-3,
                threads=(2,),
                queues=STRIPES,
                freeing="other_cpu",
            )
        )
        sweeps.append(
            alloc_free(
                "beside a flusher",
                2,
                60,
                4e-3,
                queues=(1, 16),
                revisions=("v6.4", "v6.12"),
                flusher="unmap_aliases",
            )
        )
    sweeps += [
        # One page in v6.12 is among the cases by stripes.
        alloc_free("one page in v6.4", 16, 20, 0.2e-3, revisions=("v6.4",)),
        alloc_free("by pages", 16, 20, 0.2e-3, pages=(4, 16, 64), revisions=("v6.4", "v6.12")),
        alloc_free(
            "with other queues' blocks",
            16,
            20,
            0.3e-3,
            queues=(2, 64),
            other_blocks=(16, 256, 4096, 65536),
        ),
        *upkeep(4, 10),
        *closed_window(cpus, 40),
        index("dense", 20, 20, (16, 256, 4096, 65536), ("dense",), OPERATIONS, 180e-6),
        index("sparse", 20, 20, (4096,), SPARSE, OPERATIONS, 250e-6),
    ]
    return sweeps


def full(cpus: int) -> list[Sweep]:
    """About six minutes on two CPUs."""
    sweeps: list[Sweep] = []
    for shootdown in ("none", "noop", "mprotect_range"):
        responders = (0,) if shootdown == "none" or cpus == 1 else (0, 1)
        for count in responders:
            title = f"{shootdown}, {count} responders"
            sweeps.append(
                patch_series(title, SMALL_WORKLOADS, shootdown, count, 20, 40, 250e-6)
            )
            sweeps.append(
                patch_series(f"mixed, {title}", MIXED_WORKLOADS, shootdown, count, 5, 40, 2e-3)
            )
    every = tuple(1 << bit for bit in range(11))
    threads = tuple(sorted({1, *(1 << bit for bit in range(cpus.bit_length())), cpus}))
    threads = tuple(count for count in threads if count <= cpus)
    sweeps.append(
        alloc_free(
            "by stripes", 4, 60, threads=threads, queues=every, pages=(1, 64),
            revisions=("v6.4", "v6.12"),
        )
    )
    if cpus > 1:
        sweeps.append(
            alloc_free(
                "by stripes, another CPU frees", 2, 100, 4e-3,
                threads=threads[1:], queues=every, freeing="other_cpu",
            )
        )
        sweeps.append(
            alloc_free(
                "beside a flusher", 2, 60, 4e-3,
                queues=(1, 16), revisions=REVISIONS, flusher="unmap_aliases",
            )
        )
    sweeps += [
        alloc_free("by pages", 32, 40, 0.2e-3, pages=(4, 16), revisions=REVISIONS),
        alloc_free(
            "by pages, other revisions", 32, 40, 0.2e-3, pages=(1, 64), revisions=REVISIONS[1:-1]
        ),
        alloc_free(
            "with other queues' blocks", 16, 60, 0.3e-3,
            queues=(2, 64), other_blocks=(16, 256, 4096, 65536),
        ),
        *upkeep(8, 20),
        *closed_window(cpus, 200),
        index("small", 20, 8, (16, 256, 4096, 65536), ("dense", *SPARSE),
              (*OPERATIONS, *FURTHER_OPERATIONS), 0.7e-3),
        index("a million", 5, 5, (1048576,), ("dense",), OPERATIONS, 30e-3),
    ]
    return sweeps
