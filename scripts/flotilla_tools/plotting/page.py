# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of a page of HTML that needs no other file, for wide screens and telephones."""

import base64
import html
from typing import Any, NamedTuple, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from flotilla_tools.plotting.plain_numbers import number
from flotilla_tools.plotting.style import png_of
from flotilla_tools.plotting.verdict import KeyFigure

MOST_ROWS = 40
"""Rows of a table; more are told by their number."""

STYLE_SHEET = """
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  padding: 1rem; max-width: 82rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0.2rem 0 0.4rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.6rem; }
p { max-width: 46rem; } .soft, figcaption, dd { color: #555; }
.verdict { border-left: 6px solid; padding: 0.6rem 1rem; background: #f6f6f6; }
.verdict :first-child { font-weight: 600; }
.good { border-color: #00734f; } .bad { border-color: #b84a00; }
.good > :first-child { color: #00734f; } .bad > :first-child { color: #b84a00; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 0.6rem; margin: 0.8rem 0; }
.figures > div { border: 1px solid #ddd; border-left: 6px solid #ddd; padding: 0.4rem 0.7rem; }
.figures > .good { border-left-color: #00734f; } .figures > .bad { border-left-color: #b84a00; }
.figures b { display: block; font-size: 1.35rem; line-height: 1.3; color: #1a1a1a; }
.figures > div > :first-child { color: #1a1a1a; } .figures small { color: #555; display: block; }
.pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0; } figcaption { font-size: 0.85rem; }
img { display: block; width: 100%; height: auto; }
.single img { width: auto; max-width: 100%; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd;
  vertical-align: top; }
th { font-weight: 600; } td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
td.missed { color: #b84a00; font-weight: 600; }
table.words td { white-space: normal; text-align: left; overflow-wrap: anywhere; }
table.words td:nth-child(2):not(:last-child) { white-space: nowrap; }
table.words th { text-align: left; } table.words td:first-child { min-width: 7.5rem; }
dl { font-size: 0.875rem; display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
pre { background: #f6f6f6; padding: 0.8rem; overflow-x: auto; font-size: 0.8125rem; }
@media (max-width: 40rem) { dl { display: block; } dd { margin-bottom: 0.4rem; } }
"""


class Cell(NamedTuple):
    """A cell of a table that missed what it is held against."""

    text: str


class Column(NamedTuple):
    """A column of figures: its name in the data, its title, what it means."""

    name: str
    title: str
    meaning: str


def text(value: Any) -> str:
    """A text of a file without what a browser would act on."""
    plain = "".join(one if one.isprintable() or one in "\n\t" else "?" for one in str(value))
    return html.escape(plain)


def picture(figure: Figure, caption: str) -> str:
    """A figure embedded in the page."""
    data = base64.b64encode(png_of(figure)).decode()
    plt.close(figure)
    return (
        f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def pictures(figures: Sequence[tuple[str, Figure]]) -> str:
    """Figures with captions, as many side by side as a screen has room for."""
    shown = "".join(picture(figure, caption) for caption, figure in figures)
    return f'<div class="pictures">{shown}</div>'


def single_picture(figure: Figure, caption: str) -> str:
    """A figure that takes the width of the page, if it has as many dots."""
    return f'<div class="single">{picture(figure, caption)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], words: bool = False) -> str:
    """A table that scrolls where it is too wide. `words` lets its cells break into lines."""
    shown = rows[:MOST_ROWS]
    lines = ["<tr>" + "".join(f"<th>{text(title)}</th>" for title in head) + "</tr>"]
    lines += ["<tr>" + "".join(map(cell, row)) + "</tr>" for row in shown]
    more = f"<p>and {len(rows) - len(shown):,} more</p>" if len(rows) > len(shown) else ""
    kind = ' class="words"' if words else ""
    return f'<div class="scroll"><table{kind}>{"".join(lines)}</table></div>{more}'


def cell(value: Any) -> str:
    if isinstance(value, Cell):
        return f'<td class="missed">{text(value.text)}</td>'
    return f"<td>{text(number(value))}</td>"


def meanings(columns: Sequence[Column]) -> str:
    """What the titles of columns mean."""
    rows = (f"<dt>{text(one.title)}</dt><dd>{text(one.meaning)}</dd>" for one in columns)
    return f"<dl>{''.join(rows)}</dl>"


def verdict(good: bool, sentences: Sequence[str]) -> str:
    items = "".join(f"<div>{text(sentence)}</div>" for sentence in sentences)
    return f'<div class="verdict {kind_of(good)}">{items}</div>'


def kind_of(good: bool | None) -> str:
    return {True: "good", False: "bad", None: ""}[good]


def tiles(figures: Sequence[KeyFigure]) -> str:
    """A few figures, large."""
    shown = (
        f'<div class="{kind_of(one.good)}">{text(one.title)}<b>{text(one.value)}</b>'
        f"<small>{text(one.note)}</small></div>"
        for one in figures
    )
    return f'<div class="figures">{"".join(shown)}</div>'


def page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title>"
        f'<link rel="icon" href="data:,"><style>{STYLE_SHEET}</style></head>\n<body>\n'
        f"<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
