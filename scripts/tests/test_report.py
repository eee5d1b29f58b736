"""report.md, report.html, and the two programs: whole, offline, and plain about what is missing."""

from __future__ import annotations

import html
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Callable, Iterable

import pytest
from synthetic_report import MACHINE

from flushwalk import report
from flushwalk.document import Numbers, Paragraph, Section, markdown
from flushwalk.drawings import collect
from flushwalk.facts import Facts
from flushwalk.figures import FIGURES as ALL_FIGURES
from flushwalk.figures.base import Table
from flushwalk.figures.style import PAINTS
from flushwalk.results import load
from flushwalk.sections import Context, machine

Make = Callable[..., Path]
SCRIPTS = Path(__file__).resolve().parents[1]
TITLES = ["The answer", "Walk cost", "Walk and shootdown", "Stale aliases", "What each patch bought",
          "Complete walks against the list", "What a walk costs a free",
          "Where the array of ranges beats the hull", "The shootdown itself",
          "The shootdown by distance, responders and threads", "What striping buys", "The index",
          "Counters", "The thread's questions", "Validity", "The machine", "How it was measured",
          "The command that repeats it"]
# Those that a run of flush_walk_bench has rows for, and those of the whole report.
FIGURES = {name: figure for name, figure in ALL_FIGURES.items()
           if figure.bench == "flush_walk_bench"
           and name not in ("complete-walks", "counters-by-walk", "machine")}
LEAST: dict[str, Any] = {"shootdowns": ("none",), "repetitions": 1}  # that has a figure
WHOLE = [*FIGURES, "complete-walks", "patch-series", "alloc-free", "xarray", "range-crossover"]


class Page(HTMLParser):
    """What a browser would see: ids, addresses, tags that are left open, words."""

    void = {"meta", "link", "br", "img", "use", "path", "rect", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.void:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href", "srcset", "data"):
                self.addresses.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def markdown_of(folder: Path, figures: Iterable[str] = ()) -> str:
    """report.md with these figures, without the time that it takes to draw them."""
    results = load([folder])
    return markdown(*report.parts_of(Context(results, collect(results, figures))))


def test_the_page_needs_nothing_else(whole_report: Path) -> None:
    text = (whole_report / "report.html").read_text()
    page = Page(text)
    assert len(text) < 5_000_000
    assert page.open == [] and "script" not in page.tags
    outside = [address for address in page.addresses
               if not address.startswith(("#", "data:", "figures/"))]
    assert outside == [] and "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    for address in page.addresses:
        if address.startswith("figures/"):
            assert (whole_report / address).is_file()
        elif address.startswith("#"):
            assert address[1:] in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert all(name in page.ids for name in re.findall(r"url\(#([^)]*)\)", text))


def test_every_figure_is_there_for_a_wide_window_and_for_a_phone(whole_report: Path) -> None:
    text = (whole_report / "report.html").read_text()
    assert text.count("<svg") == 2 * sum(len(ALL_FIGURES[name].scales) for name in WHOLE)
    for name in WHOLE:
        assert f'id="{name}"' in text and html.escape(ALL_FIGURES[name].title, False) in text
        for kind in ("svg", "png", "csv"):
            assert f'href="figures/{name}.{kind}"' in text
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    for drawing in drawings:
        assert re.search(r'aria-label="[^"]{40,}"', drawing)
        # Dark mode works by variables: a colour that is written out would stay light.
        assert re.findall(r"#[0-9a-f]{6}\b", drawing) == []
    styles = text.split("<style>")[1].split("</style>")[0]
    painted = {paint.variable for paint in PAINTS.values()}
    for variable in {*re.findall(r"var\((--[a-z-]+)\)", text), *painted}:
        assert styles.count(f"{variable}:") == 2, variable


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_sections_come_in_order_and_the_answer_first(whole_report: Path, name: str) -> None:
    text = (whole_report / name).read_text()
    heads = re.findall(r"<h2>(.*?)</h2>|^## (.*)$", text, flags=re.MULTILINE)
    assert [html.unescape(in_page) or plain for in_page, plain in heads] == TITLES


@pytest.mark.parametrize("words", [
    "leaves 205 of 410 freed slots stale", "slower)", "proven",
    "Held: 10 % dirty, 1 slot a dirty range, 1 queue, gather hull, check locked.",
    "Walk and shootdown are timed within the same flush",
    "On real memory (stale_alias: a page is freed, gets a new owner, and is accessed through its "
    "old address after the flush): with the free list walk the old address read the new owner's "
    "data and overwrote it; with the xarray walk the access faulted (SEGV_ACCERR).",
    " rows are invalid. An invalid row is in no figure", "This is a guest (CPUID: KVM)", "Paravirtual TLB flush is on",
    "There is no hardware PMU", "tsc at 2,100 MHz", "its own overhead is 11.9 ns (p99 14.3 ns)",
    "sampled in turn (A B B A or B A A B, by lot)", "percentiles are exact", "git checkout 0123abc",
    "flush_walk_bench --walk=free_list,xarray '--out=reports/made up'", "console=ttyS0",
])
def test_what_a_reader_must_find(whole_report: Path, words: str) -> None:
    assert words in page_of(whole_report).text
    assert words in (whole_report / "report.md").read_text()


def test_the_markdown_shows_every_figure_with_its_sentence_and_data(whole_report: Path) -> None:
    text = (whole_report / "report.md").read_text()
    for name in WHOLE:
        assert f"](figures/{name}.png)" in text and f"](figures/{name}.csv)" in text
        assert (whole_report / "figures" / f"{name}.png").stat().st_size > 10_000
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 60


def test_a_scale_is_chosen_without_a_script(whole_report: Path) -> None:
    text = (whole_report / "report.html").read_text()
    for name in WHOLE:
        figure = ALL_FIGURES[name]
        inputs = re.findall(rf'<input type="radio" class="pick-(\w+)" name="{name}-scale"\s+'
                            rf'id="{name}-\w+"( checked)?>', text)
        several = len(figure.scales) > 1
        assert inputs == [(scale, " checked" if scale == figure.scales[0] else "")
                          for scale in figure.scales if several]
        assert several or figure.one_scale in text


def test_a_picture_of_a_file_is_dark_on_a_dark_desktop(whole_report: Path) -> None:
    text = (whole_report / "figures" / "walk-cost.svg").read_text()
    (rules,) = re.findall(r"@media \(prefers-color-scheme: dark\)\{(.*)\}</style>", text)
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text.replace(rules, "")))
    assert len(drawn) > 4
    for colour in drawn:  # one without a rule would be drawn as on light paper
        for kind in ("fill", "stroke"):
            assert f'[style*="{kind}: {colour}"]{{{kind}:{PAINTS[colour].dark} !important}}' in rules


def test_tables_of_the_markdown_are_aligned_for_a_plain_mail() -> None:
    table = Table(("name", "n"), (("a|b", "1"), ("longer name", "1,234")))
    text = markdown("T", "s", [Section("x", "X", (Numbers("Caption", table), Paragraph("end")))])
    assert "| name        |     n |\n|-------------|------:|\n| a\\|b        |     1 |\n" in text


def test_words_of_the_data_are_no_markup(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] == 0:
            row.update(valid="false", invalid_reason="<script>alert(1)</script> & more")

    folder = make_report(change=spoil, machine={**MACHINE, "host": "<b>host</b>"})
    page = Page(report.html(*report.parts_of(Context(load([folder]), {})), {}))
    assert "script" not in page.tags and "b" not in page.tags
    assert "<script>alert(1)</script> & more" in page.text


def test_rows_left_out_are_counted_by_reason(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["shootdown"] == "mprotect_range" and row["role"] == "initiator":
            if row["repetition"] < 3:
                row.update(valid="false", invalid_reason=f"{row['repetition']} of 500 proven")
            elif row["repetition"] == 3:
                row.update(valid="false", invalid_reason="7 of 500 proven; thread migrated")

    folder = make_report(change=spoil, responders=(1,))
    text = markdown_of(folder)
    assert "24 of 192 rows are invalid." in text
    assert re.search(r"\| 0 of 500 proven \(and the like\) +\| mprotect_range +\| initiator +\| +24 "
                     r"\| +2 \|", text)
    assert re.search(r"\| thread migrated +\| mprotect_range +\| initiator +\| +6 \| +2 \|", text)


def test_the_proof_is_summed_over_valid_rows(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        if row["repetition"] == 5:
            row.update(valid="false", invalid_reason="planted", shootdowns_proven=0)
        if row["repetition"] == 2 and row["shootdown"] == "mprotect_range":
            row["shootdowns_proven"] = 496

    folder = make_report(change=spoil, walks=("xarray",), repetitions=6, responders=(1,))
    text = markdown_of(folder)
    # five repetitions of 500; one lost in the first, four in the third
    assert re.search(r"\| mprotect_range \| +1 \| +2,500 \| +2,495 of 2,500 \| 99.8 % \|", text)
    assert "The least proven of these rows: 99.2 % (" in text and "repetition 2)" in text


@pytest.mark.parametrize(("plan", "names"), [
    ({"shootdowns": ("none",)}, {"walk-and-shootdown"}),
    ({"shootdowns": ("mprotect_range",)}, {"walk-cost", "walk-cost-per-block"}),
])
def test_a_section_without_data_says_which_command_makes_it(
        make_report: Make, plan: dict[str, Any], names: set[str]) -> None:
    results = load([make_report(**plan)])
    drawn = collect(results, FIGURES)
    parts = report.parts_of(Context(results, drawn))
    for text in (markdown(*parts), Page(report.html(*parts, dict.fromkeys(drawn, {}))).text):
        for name, figure in FIGURES.items():
            command = (f"build/release/bin/flush_walk_bench {figure.needs} --out=run "
                       "scripts/report run")
            assert (command in " ".join(text.split())) == (name in names)
    assert set(drawn) == set(FIGURES) - names


def test_a_run_without_a_single_valid_row_has_a_report(make_report: Make) -> None:
    def spoil(row: dict[str, Any]) -> None:
        row.update(valid="false", invalid_reason="planted")

    folder = make_report(change=spoil)
    text = markdown_of(folder, FIGURES)
    assert "336 of 336 rows are invalid." in text and "no valid row" in text
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text)


def test_an_unknown_machine_is_said_to_be_unknown(make_report: Make) -> None:
    folder = make_report(machine=None)
    text = markdown_of(folder)
    assert "machine.json is missing" in text
    assert "Whether this is a guest is unknown." in text and "The clock: unknown." in text
    assert "The command line of this run is unknown." in text
    assert re.search(r"\| CPU +\| unknown +\|", text)


@pytest.mark.parametrize(("values", "words"), [
    ({"hypervisor": {"vendor": "none"}}, None),
    ({"hypervisor": {"vendor": "xen"}}, "This is a guest (CPUID: xen)"),
    ({"hypervisor": {"vendor": "none", "pv_ipi": True}}, "Paravirtual IPIs are on"),
    ({"hypervisor": {"vendor": "none"}, "clock": {"invariant": False}}, "not invariant"),
    ({"hypervisor": {"vendor": "none"}, "shootdowns": {"mechanism": "ipi"}}, None),
    ({"hypervisor": {"vendor": "none"}, "shootdowns": {"mechanism": "paravirtual"}},
     "Shootdowns are the hypervisor's work"),
    ({"hypervisor": {"vendor": "none"}, "shootdowns": {"mechanism": "broadcast"}},
     "none can be proven here"),
    ({"hypervisor": {"vendor": "none"}, "flushwalk": {"build_type": "Debug"}}, "build is Debug"),
    ({"hypervisor": {"vendor": "none"}, "flushwalk": {"git_dirty": True}}, "source had changes"),
])
def test_what_limits_the_figures_is_said_first(
        make_report: Make, values: dict[str, Any], words: str | None) -> None:
    folder = make_report(machine=values, **LEAST)
    text = markdown("T", "s", [machine.build(Context(load([folder]), {}))])
    assert ("To keep in mind:" in text) == (words is not None)
    assert words is None or words in text


@pytest.mark.parametrize("vendor, kernel, differ", [
    ("kvm", "KVM", False), ("hyperv", "Microsoft Hyper-V", False), ("xen", "Xen HVM", False),
    ("bhyve", "KVM", True), ("none", "KVM", True), ("tcg", "none", False)])
def test_another_hypervisor_in_the_kernels_log_is_said(
        vendor: str, kernel: str, differ: bool) -> None:
    said = " ".join(machine.warnings(Facts({"hypervisor": {"vendor": vendor, "kernel": kernel}})))
    assert (f"another hypervisor than CPUID: {kernel}" in said) == differ


def test_what_the_run_could_not_do_is_said(make_report: Make) -> None:
    folder = make_report()
    (folder / "run.json").write_text(
        '{"command_line": ["scripts/run", "--filter=a b"], "cases_planned": 90, "interrupted": '
        'true, "cases_not_measured": ["flush_walk/x"], "cases_unfinished": ["flush_walk/y"], '
        '"failures": ["the bench was killed"], "name": "quiet", "sittings": '
        '[{"began": "2026-03-09T14:05:07+00:00"}, {"began": "2026-03-10T10:00:00+00:00"}]}')
    text = markdown_of(folder)
    assert text.startswith("# flushwalk: quiet\n")
    assert "1 of 90 planned cases were not measured, the first of them flush_walk/x." in text
    assert "1 of 90 planned cases have fewer repetitions than planned, the first of them " in text
    assert "in 2 sittings, begun 2026-03-09T14:05:07+00:00 and 2026-03-10T10:00:00+00:00." in text
    assert "The run was interrupted" in text and "- the bench was killed" in text
    assert "scripts/run '--filter=a b'" in text


def test_a_killed_run_is_no_whole_one(make_report: Make) -> None:
    folder = make_report()
    (folder / "run.json").write_text('{"interrupted": null, "sittings": [{"began": "now"}]}')
    text = markdown_of(folder)
    assert "The run was killed, or is not at its end" in text and "sittings" not in text


@pytest.mark.usefixtures("one_figure")
def test_the_report_program_prints_the_answer_and_the_paths(
        make_report: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_report(**LEAST)
    assert report.main([str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[0].startswith("free list: ")
    assert lines[5:] == [str(folder / name) for name in ("report.html", "report.md", "figures")]


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("blocked", ["figures", "report.md"])
def test_what_cannot_be_written_is_one_line_and_exit_2(
        make_report: Make, capsys: pytest.CaptureFixture[str], blocked: str) -> None:
    folder = make_report(**LEAST)
    if blocked == "figures":
        (folder / "figures").write_text("a file where the folder should be")
    else:
        (folder / "report.md").mkdir()
    assert report.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(folder / blocked) in error
    assert list(folder.rglob("*.part")) == []


@pytest.mark.parametrize("program", ["plot", "report"])
def test_the_scripts_work_from_any_folder(tmp_path: Path, make_report: Make, program: str) -> None:
    folder = make_report("a run", **LEAST)
    done = subprocess.run([SCRIPTS / program, folder.name], cwd=tmp_path, capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert (folder / "figures" / "walk-cost.svg").is_file()
