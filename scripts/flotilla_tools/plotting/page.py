# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of a page of HTML that needs no other file."""

import base64
import html
import io
import math
from typing import Any, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

MOST_ROWS = 40
"""Rows of a table; more are told by their number."""

STYLE_SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.verdict { border-left: 6px solid; padding: 0.6rem 1rem; background: #f6f6f6; }
.good { border-color: #009e73; } .bad { border-color: #d55e00; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; } pre { background: #f6f6f6; padding: 0.8rem; overflow-x: auto;
}
"""


def text(value: Any) -> str:
    return html.escape(str(value))


def number(value: Any, digits: int = 4) -> str:
    if isinstance(value, str):
        return text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "&ndash;"
    return f"{value:.{digits}g}"


def picture(png: bytes, caption: str) -> str:
    """An image embedded in the page. @param png  bytes"""
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{text(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def as_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    shown = rows[:MOST_ROWS]
    lines = ["<tr>" + "".join(f"<th>{text(cell)}</th>" for cell in head) + "</tr>"]
    lines += [
        "<tr>" + "".join(f"<td>{number(cell)}</td>" for cell in row) + "</tr>" for row in shown
    ]
    more = f"<p>and {len(rows) - len(shown)} more</p>" if len(rows) > len(shown) else ""
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>{more}'


def verdict(good: bool, sentences: Sequence[str]) -> str:
    items = "".join(f"<div>{text(sentence)}</div>" for sentence in sentences)
    return f'<div class="verdict {"good" if good else "bad"}">{items}</div>'


def page(title: str, parts: Sequence[str]) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE_SHEET}</style></head>\n<body>\n'
        f"<h1>{text(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
