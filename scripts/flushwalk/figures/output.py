"""The way of a drawing to a file and into a page.

A file draws its letters as outlines, and looks the same everywhere; a browser that shows it on a
dark desktop shows it dark. On a page the letters are text, and colours are CSS variables: the
picture follows the page.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from flushwalk.figures.style import PAINTS, title_of
from flushwalk.files import write_whole

PNG_DPI = 192  # twice the 96 of a screen
_POINTS = 72  # an SVG's unit, in an inch


def save(figure: Figure, path: Path) -> None:
    """Writes .svg, .png (twice the size of a screen's pixels) or .pdf. Raises OSError."""
    kind = path.suffix.lower().lstrip(".")
    if kind == "svg":
        write_whole(path, _dark_on_a_dark_desktop(_svg(figure, "path")).encode())
        return
    # Without a date, the same rows always give the same files.
    dates: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}}
    memory = io.BytesIO()
    figure.savefig(memory, format=kind, dpi=PNG_DPI, metadata=dates.get(kind))
    write_whole(path, memory.getvalue())


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an <svg> element for a page, without its title, which is a heading there:
    colours are CSS variables, the font is the page's to choose, ids begin with name."""
    title, title_inches = title_of(figure)
    title.set_visible(False)
    text = _svg(figure, "none")
    title.set_visible(True)
    text = text[text.index("<svg"):]
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"\d+\.\d{3,}", _in_hundredths, text)
    text = re.sub(r"font: ((?:\w+ )*?)([\d.]+)px '[^;\"]*", _own_font, text)
    for colour, paint in PAINTS.items():
        text = text.replace(colour, f"var({paint.variable})")
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    width, height = (float(inches) * _POINTS for inches in figure.get_size_inches())
    top = title_inches * _POINTS
    return re.sub(r"<svg[^>]*>",
                  f'<svg xmlns="http://www.w3.org/2000/svg" '
                  f'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
                  f'viewBox="0 {top:g} {width:g} {height - top:g}" aria-label="{label}">',
                  text, count=1)


def _svg(figure: Figure, letters: str) -> str:
    """letters: "path" for outlines, "none" for text."""
    memory = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": letters}):
        figure.savefig(memory, format="svg", metadata={"Date": None})
    return re.sub(r"<metadata>.*?</metadata>", "", memory.getvalue(), flags=re.DOTALL)


def _in_hundredths(found: re.Match[str]) -> str:
    """Of a point: what a screen can show. An SVG's number does not end in a dot."""
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


def _own_font(found: re.Match[str]) -> str:
    weight = "; font-weight: bold" if found[1] else ""
    return f"font-size: {found[2]}px{weight}"


def _dark_on_a_dark_desktop(text: str) -> str:
    """Other programs than browsers do not know the media query, and keep the colours written."""
    rules = "".join(
        f'[style*="{kind}: {colour}"]{{{kind}:{paint.dark}}}'.replace("}", " !important}")
        for colour, paint in PAINTS.items() for kind in ("fill", "stroke"))
    style = f'<style type="text/css">@media (prefers-color-scheme: dark){{{rules}}}</style>'
    return text.replace("</defs>", f"{style}</defs>", 1)
