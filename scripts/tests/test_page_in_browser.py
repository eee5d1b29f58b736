"""The report as Chromium shows it, on a desktop and on a phone, with scripts off too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import browser
import pytest

from flushwalk.figures import FIGURES

pytestmark = pytest.mark.skipif(browser.program() is None, reason="Chromium is not installed")
REFERENCE = Path(__file__).resolve().parents[2] / "reports" / "reference" / "report.html"
WINDOWS = {"desktop": (1280, 800), "phone": (390, 844)}

# What stands out of the window on its right, but for what scrolls within its own box.
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(one => !one.closest(".scroll > *, svg *")
  && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 120))"""
# Of each picture that is shown: its words, and those that are cut or lie over another.
PICTURES = """[...document.querySelectorAll("figure svg")].filter(svg => svg.checkVisibility())
  .map(svg => {
    const frame = svg.getBoundingClientRect();
    const words = [...svg.querySelectorAll("text")].map(text => [text.textContent,
      text.getBoundingClientRect()]);
    const cut = words.filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1).map(([text]) => text);
    const over = words.filter(([, one], at) => words.slice(at + 1).some(([, other]) =>
      Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1
      && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 2))
      .map(([text]) => text);
    return {figure: svg.closest("figure").previousElementSibling
              .previousElementSibling.id, width: frame.width, words: words.length, cut, over};
  })"""
COLOURS = """[getComputedStyle(document.body).backgroundColor,
  getComputedStyle(document.querySelector("figure svg text")).fill]"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    one = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def page(whole_report: Path) -> Path:
    return whole_report / "report.html"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("which", ["made now", "reference"])
def test_the_page_is_whole(chromium: browser.Browser, page: Path, which: str, window: str,
                           scripts: bool) -> None:
    chromium.open(page if which == "made now" else REFERENCE, *WINDOWS[window], scripts=scripts)
    assert chromium.complaints() == []
    # The page, and nothing beside it: images are in it.
    assert len([url for url in chromium.requests() if not url.startswith("data:")]) == 1
    assert chromium.tell("document.documentElement.scrollWidth") == WINDOWS[window][0]
    assert chromium.tell(TOO_WIDE) == []
    pictures: list[dict[str, Any]] = chromium.tell(PICTURES)
    shown = [picture["figure"] for picture in pictures]
    assert len(shown) == len(set(shown)) >= 4 and set(shown) <= set(FIGURES)
    least_words = 8 if which == "made now" else 0  # an older page has letters that are outlines
    assert all(picture["width"] > 300 and picture["words"] >= least_words for picture in pictures)
    assert [(picture["figure"], picture["cut"], picture["over"]) for picture in pictures
            if picture["cut"] or picture["over"]] == []
    assert chromium.tell("[...document.querySelectorAll('table')]"
                         ".filter(table => table.checkVisibility()).length") > 2


@pytest.mark.parametrize("window", WINDOWS)
def test_the_first_screen_says_whether_patch_1_is_expensive(
        chromium: browser.Browser, page: Path, window: str) -> None:
    width, height = WINDOWS[window]
    chromium.open(page, width, height, scripts=False)
    verdict = "document.querySelector('.verdict')"
    assert chromium.tell(f"{verdict}.getBoundingClientRect().bottom") < height
    words = chromium.tell(f"{verdict}.innerText")
    assert words.startswith("Is patch 1") and "Yes: " in words and "times as long" in words


def test_the_other_scale_is_shown_without_a_script(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, *WINDOWS["desktop"], scripts=False)
    label = "[...document.querySelectorAll('#walk-cost ~ figure svg text')]" \
        ".filter(text => text.checkVisibility()).map(text => text.textContent).join()"
    assert "live blocks (log scale)" in chromium.tell(label)
    chromium.tell("document.querySelector('label[for=walk-cost-linear]').click()")
    now = chromium.tell(label)
    assert "live blocks (linear scale)" in now and "time of a flush (log scale)" not in now


def test_a_dark_desktop_has_a_dark_page_with_dark_figures(
        chromium: browser.Browser, page: Path) -> None:
    bright = []
    for dark in (False, True):
        chromium.open(page, *WINDOWS["desktop"], dark=dark)
        bright.append([sum(map(int, colour.strip("rgb()").split(","))) / 765
                       for colour in chromium.tell(COLOURS)])
    (paper, ink), (dark_paper, light_ink) = bright
    assert paper > 0.9 and ink < 0.4 and dark_paper < 0.2 and light_ink > 0.6
