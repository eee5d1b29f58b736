"""What striping buys: the figure, single calls by size and revision, where threads wait, what a
flusher beside them costs, other queues' blocks, and memory."""

from __future__ import annotations

import pandas as pd

from flushwalk import alloc_measures, wording
from flushwalk.alloc_measures import LOCKS
from flushwalk.document import Block, Command, Numbers, Paragraph, Section
from flushwalk.figures.alloc_free import held_words, lock_words, part, rate
from flushwalk.figures.base import Table
from flushwalk.sections.base import Context, of_figures

_FIGURE = of_figures("striping", "What striping buys", ("alloc-free",))
_BENCH = "build/release/bin/alloc_free_bench"
# The kernel's own: a descriptor of a block with 1,024 slots, and a node (x86, 64 bit).
_KERNEL_BLOCK, _KERNEL_NODE, _NODE = 232, 576, 576
_FEW = 8


def build(context: Context) -> Section:
    figure = _FIGURE(context)
    table = alloc_measures.cases(context.results)
    blocks: list[Block] = [*figure.blocks]
    for make in (_latencies, _waits, _beside_a_flusher, _other_blocks):
        blocks += make(table, context)
    return Section(figure.anchor, figure.title, (*blocks, *_memory(context)))


def _missing(what: str, flags: str, context: Context) -> list[Block]:
    folder = context.shown_folder
    return [Paragraph(f"{what}: this run has no valid rows for it. These commands measure it and "
                      "make the report anew:"),
            Command(f"{_BENCH} {flags} --out={folder}\nscripts/report {folder}")]


def _numbers(caption: str, headers: tuple[str, ...], rows: list[tuple[str, ...]],
             words: int = 1) -> Numbers:
    return Numbers(caption, Table(headers, tuple(rows), words), folded=len(rows) > _FEW)


def _latencies(table: pd.DataFrame, context: Context) -> list[Block]:
    slice_ = table if table.empty else alloc_measures.held(table, "pages", "revision")
    if slice_.empty:
        return _missing("A pair, an alloc and a free by pages and revision",
                        "--queues=1 --pages=1,4,16,64 --revision=v6.4,v6.12", context)
    rows = [(case.revision, wording.count(case.pages), wording.time(case.pair_ns),
             wording.interval(case.pair_low_ns, case.pair_high_ns), wording.time(case.alloc_ns),
             wording.time(case.alloc_p99_ns), wording.time(case.free_ns),
             wording.time(case.free_p99_ns)) for case in slice_.itertuples()]
    at = (f"{wording.count(slice_['threads'].iloc[0], 'thread')}, "
          f"{wording.count(slice_['queues'].iloc[0], 'queue')}")
    low = slice_.loc[slice_["pair_ns"].idxmin()]
    high = slice_.loc[slice_["pair_ns"].idxmax()]
    said = f"With {at} a pair of alloc and free takes {wording.time(low['pair_ns'])}"
    if len(slice_) > 1:
        said += (f" ({wording.count(low['pages'], 'page')}, {low['revision']}) to "
                 f"{wording.time(high['pair_ns'])} ({wording.count(high['pages'], 'page')}, "
                 f"{high['revision']})")
    return [Paragraph(said + ". A pair is timed in batches that use up whole blocks; an alloc and "
                      "a free are timed call by call (their mean is shown), with the clock's overhead in "
                      "each."),
            _numbers(f"Pairs and single calls by revision and pages ({at})",
                     ("revision", "pages", "pair", "95 % interval", "alloc (mean)", "alloc p99",
                      "free (mean)", "free p99"), rows)]


def _waits(table: pd.DataFrame, context: Context) -> list[Block]:
    slice_ = table if table.empty else table[table["threads"] > 1]
    slice_ = slice_ if slice_.empty else alloc_measures.held(slice_, "queues", "freeing", "threads")
    if slice_.empty:
        return _missing("Where threads wait", "--threads=2 --queues=1,2,4 --pages=1 --samples=2 "
                        "--repetitions=100", context)
    rows = [(case.freeing.replace("_", " "), wording.count(case.threads),
             wording.count(case.queues), wording.time(case.pair_mean_ns),
             *(f"{wording.time(getattr(case, f'{kind}_wait_ns'))} "
               f"({part(getattr(case, f'{kind}_share'))})" for kind in LOCKS))
            for case in slice_.itertuples()]
    return [_numbers(f"What a pair waits for locks, and its share of the pair's mean time "
                     f"({held_words(slice_)})",
                     ("freed by", "threads", "queues", "pair (mean)",
                      *(lock_words(kind) for kind in LOCKS)), rows)]


def _beside_a_flusher(table: pd.DataFrame, context: Context) -> list[Block]:
    slice_ = table
    if not table.empty:
        slice_ = alloc_measures.held(table[table["flusher"] != "none"], "queues", "revision")
    if slice_.empty:
        return _missing("Allocations beside a thread that flushes without a pause",
                        "--queues=1,16 --pages=1 --flusher=unmap_aliases --revision=v6.4,v6.12 "
                        "--samples=2 --repetitions=60", context)
    rows = []
    for case in slice_.itertuples():
        alone = table[(table["flusher"] == "none") & (table["report"] == case.report)]
        for axis in alloc_measures.AXES:
            if axis != "flusher":
                alone = alone[alone[axis] == getattr(case, axis)]
        rows.append((case.revision, wording.count(case.queues), wording.time(case.pair_ns),
                     wording.time(alone["pair_ns"].iloc[0]) if len(alone) else "not measured",
                     blocks_a_thousand(case.created_blocks, case.operations),
                     part(sum(getattr(case, f"{kind}_share") for kind in LOCKS))))
    return [_numbers("Beside a thread that calls unmap_aliases without a pause, on "
                     f"{wording.count(slice_['threads'].iloc[0], 'CPU')} of its own",
                     ("revision", "queues", "pair", "without flusher",
                      "blocks created in 1,000 pairs", "waits for locks"), rows)]


def blocks_a_thousand(created: float, pairs: float) -> str:
    return wording.three_digits(created / pairs * 1000)


def _other_blocks(table: pd.DataFrame, context: Context) -> list[Block]:
    slice_ = table
    if not table.empty:
        slice_ = table[table["queues"] > table["threads"]]
        with_blocks = slice_[slice_["blocks"] > 0]
        if with_blocks.empty:
            slice_ = with_blocks
        else:
            # The queues at which blocks were varied, not those at which stripes were.
            slice_ = slice_[slice_["queues"].isin(with_blocks["queues"].unique())]
            slice_ = alloc_measures.held(slice_, "blocks", "queues")
            slice_ = slice_[slice_.groupby("queues")["blocks"].transform("nunique") > 1]
    if slice_.empty:
        return _missing("The cost of an alloc against live blocks of other queues",
                        "--queues=2,64 --pages=1 --other-blocks=0,16,256,4096,65536 --samples=16",
                        context)
    rows, said = [], []
    for queues, line in slice_.groupby("queues"):
        line = line.sort_values("blocks")
        first, last = line.iloc[0], line.iloc[-1]
        said.append(f"with {wording.count(queues, 'queue')} and "
                    f"{wording.count(first['blocks'], 'block')} "
                    f"{wording.time(first['pair_ns'])}, of single calls an alloc "
                    f"{wording.time(first['alloc_ns'])} and a free "
                    f"{wording.time(first['free_ns'])}; with "
                    f"{wording.count(last['blocks'], 'block')} {wording.time(last['pair_ns'])}, "
                    f"{wording.time(last['alloc_ns'])} and {wording.time(last['free_ns'])}")
        rows += [(wording.count(case.queues), wording.count(case.blocks),
                  wording.time(case.pair_ns),
                  wording.interval(case.pair_low_ns, case.pair_high_ns),
                  wording.time(case.alloc_ns), wording.time(case.free_ns),
                  rate(case.throughput)) for case in line.itertuples()]
    return [Paragraph(f"A pair against live blocks of queues that no thread uses: "
                      f"{'; '.join(said)}. An alloc meets none of these blocks: it looks at its "
                      "own queue's list. A free goes down the xarray that has them too, one node "
                      "more for 64 times as many."),
            _numbers("Cost against live blocks of other queues",
                     ("queues", "other blocks", "pair", "95 % interval", "alloc (mean)",
                      "free (mean)", "pairs a second"), rows, words=0)]


def _memory(context: Context) -> list[Block]:
    table = alloc_measures.memory(context.results)
    if table.empty:
        return []  # the command for other blocks makes these rows too
    rows = []
    for case in table.itertuples():
        kernel = _KERNEL_BLOCK + case.node_bytes / _NODE * _KERNEL_NODE
        rows.append((wording.count(case.blocks), wording.count(case.queues),
                     wording.three_digits(case.all_bytes), wording.three_digits(case.node_bytes),
                     wording.three_digits(kernel)))
    of_most = table[table["blocks"] == table["blocks"].max()].sort_values("queues")
    most, last = of_most.iloc[0], of_most.iloc[-1]
    more = "" if len(of_most) == 1 else (
        f" With {wording.count(last['queues'], 'queue')} it is "
        f"{wording.three_digits(last['node_bytes'])} bytes of nodes: the keys of one xarray lie "
        "as far apart as there are queues, so that a node of 64 slots holds the fewer blocks.")
    return [Paragraph(f"Book-keeping of a live block, of {wording.count(most['blocks'])} in "
                      f"{wording.count(most['queues'], 'queue')}: "
                      f"{wording.three_digits(most['all_bytes'])} bytes, of which "
                      f"{wording.three_digits(most['node_bytes'])} are its share of xarray nodes."
                      f"{more} "
                      f"The kernel's descriptor has {_KERNEL_BLOCK} bytes (1,024 slots) and its "
                      f"nodes {_KERNEL_NODE}; the last column is that with this run's number of "
                      "nodes, without the kernel's area."),
            _numbers("Bytes of book-keeping of a live block",
                     ("live blocks", "queues", "descriptor, area, nodes", "nodes",
                      "kernel's descriptor, nodes"), rows, words=0)]
