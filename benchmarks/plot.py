"""Small plots as SVG: lines over the number of tenants, both axes logarithmic; readable on light and on dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from html import escape

Line = list[tuple[float, float, bool]]
"""Points of one line: number of tenants, value, and whether it was projected rather than measured."""

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 44, 48
_COLORS = ("#2f6fde", "#c9512b", "#2e8b57", "#8a5fc7", "#b8860b", "#5f7a8a")
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .grid { stroke: #3d444d } }
"""


def lines(title: str, unit: str, drawn: Mapping[str, Line]) -> str:
    """The plot as text of an SVG file; projected points are hollow, and the line to them is dashed."""
    points = [point for line in drawn.values() for point in line]
    first, last = min(x for x, _, _ in points), max(x for x, _, _ in points)
    low = math.floor(math.log10(min(y for _, y, _ in points)))
    high = max(math.ceil(math.log10(max(y for _, y, _ in points))), low + 1)

    def across(x: float) -> float:
        share = 0.5 if first == last else math.log10(x / first) / math.log10(last / first)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def up(y: float) -> float:
        return _HEIGHT - _BOTTOM - (math.log10(y) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        y = up(10.0**power)
        out.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} {escape(unit)}</text>')
    for x in sorted({x for x, _, _ in points}):
        out.append(f'<text x="{across(x):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{x:,.0f}</text>')
    out.append(f'<text x="{across(last):.1f}" y="{_HEIGHT - 8}" text-anchor="end">tenants</text>')
    ends = _apart({name: up(line[-1][1]) for name, line in drawn.items()})
    for (name, line), color in zip(drawn.items(), _COLORS, strict=False):
        for one, other in itertools.pairwise(line):
            dashed = ' stroke-dasharray="5 4"' if other[2] else ""
            out.append(
                f'<line x1="{across(one[0]):.1f}" y1="{up(one[1]):.1f}" x2="{across(other[0]):.1f}" '
                f'y2="{up(other[1]):.1f}" stroke="{color}" stroke-width="2"{dashed}/>'
            )
        for x, y, projected in line:
            fill = "none" if projected else color
            out.append(f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="4" fill="{fill}" stroke="{color}"/>')
        at = _WIDTH - _RIGHT + 14
        out.append(f'<rect x="{at}" y="{ends[name] - 5:.1f}" width="10" height="10" fill="{color}"/>')
        out.append(f'<text x="{at + 16}" y="{ends[name] + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])


def _apart(wanted: Mapping[str, float], least: float = 17) -> dict[str, float]:
    """Heights of labels near those wanted, none over another."""
    placed: dict[str, float] = {}
    floor = 0.0
    for name, height in sorted(wanted.items(), key=lambda entry: entry[1]):
        placed[name] = floor = max(height, floor)
        floor += least
    return placed
