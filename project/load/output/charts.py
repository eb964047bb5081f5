"""Line charts as SVG text and a little CSS: no script, no network; as wide as there is room, and their figures beside.

Only lines are stretched to the room there is; letters and the width of lines stay as they are. A touch or the mouse on
a chart shows the values of that moment, and a table under it has them for keyboards and screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

WIDTH: Final = 1000
HEIGHT: Final = 300
MOST_POINTS: Final = 600
"""Of a line; more are joined, with the worst kept as they are."""
MOST_DOTS: Final = 80
MOST_COLUMNS: Final = 60
"""Moments whose values can be looked at."""
MOST_TICKS: Final = 7


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its CSS class, and ``(x, y)`` in ascending x."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


def number(value: float) -> str:
    """A value as people read it: three or four digits that matter, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def nice_step(span: float, most: int) -> float:
    """The least of 1, 2, 5 times a power of ten that divides a span into at most so many parts."""
    if span <= 0:
        return 1.0
    rough = span / most
    power = math.pow(10, math.floor(math.log10(rough)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def ticks(highest: float, most: int = 6) -> list[float]:
    """Round values from 0 to the first that is not below ``highest``."""
    step = nice_step(highest or 1.0, most)
    return [step * count for count in range(math.ceil((highest or 1.0) / step - 1e-9) + 1)]


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most about ``most`` points: of each run of neighbours the highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    return [max(points[start : start + size], key=lambda point: point[1]) for start in range(0, len(points), size)]


@dataclass(frozen=True, slots=True)
class _Axes:
    """From values to places: SVG's own for lines, per cent for letters."""

    last_x: float
    top: float

    def across(self, x: float) -> float:
        return x / self.last_x * WIDTH

    def down(self, y: float) -> float:
        return HEIGHT - y / self.top * HEIGHT

    def left(self, x: float) -> str:
        return f"{100 * x / self.last_x:.2f}%"

    def high(self, y: float) -> str:
        return f"{100 - 100 * y / self.top:.2f}%"


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_marks: Sequence[tuple[float, str]] = (),
    bands: Sequence[tuple[float, str, str]] = (),
) -> str:
    """The chart as ``<figure>``. ``x_marks`` replace the ticks of the x axis; ``bands`` are limits: y, style, name."""
    everything = [point for line in lines for point in line.points]
    if not everything:
        return f"<p class='empty'>{escape(title)}: nothing to show.</p>"
    heights = ticks(max(y for _, y in everything), 5)
    axes = _Axes(max(x for x, _ in everything) or 1.0, heights[-1] or 1.0)
    shown = [(limit, style, name) for limit, style, name in bands if 0 < limit <= axes.top]
    marks = x_marks or [
        (tick, f"{tick:,.10g}") for tick in ticks(axes.last_x, MOST_TICKS) if tick <= axes.last_x * 1.0001
    ]
    parts = [
        f'<figure class="chart"><div class="unit">{escape(y_label)}</div><div class="plot">',
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(_told(title, lines, y_label))}">',
        *(_horizontal("grid", axes.down(height)) for height in heights),
        *(_horizontal(f"limit {style}", axes.down(limit)) for limit, style, _ in shown),
        *(_drawn(line, axes) for line in lines),
        "</svg>",
        *(f'<span class="y" style="top:{axes.high(height)}">{height:,.10g}</span>' for height in heights),
        *(f'<span class="x" style="left:{axes.left(x)}">{escape(name)}</span>' for x, name in marks),
        *(f'<span class="bound {style}" style="top:{axes.high(y)}">{escape(name)}</span>' for y, style, name in shown),
        *_columns(lines, axes, x_label, y_label, dict(x_marks)),
        f'</div><div class="axis">{escape(x_label)}</div>',
        _legend(lines),
        _figures(title, lines, x_label, dict(x_marks)),
        "</figure>",
    ]
    return "".join(parts)


def _told(title: str, lines: Sequence[Line], unit: str) -> str:
    """The chart in words."""
    peaks = [f"{line.name} at most {number(max(y for _, y in line.points))}" for line in lines if line.points]
    return f"{title} ({unit}): {'; '.join(peaks)}"


def _horizontal(style: str, y: float) -> str:
    return f'<line class="{style}" x1="0" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}"/>'


def _drawn(line: Line, axes: _Axes) -> str:
    places = [(axes.across(x), axes.down(y)) for x, y in thinned(line.points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn = f'<polyline class="line {line.style}" points="{path}"/>'
    if len(places) <= MOST_DOTS:
        # A line of no length with round ends is a dot, which stays round however the chart is stretched.
        drawn += f'<path class="dot {line.style}" d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)}"/>'
    return drawn


def _moments(lines: Sequence[Line]) -> list[tuple[float, list[float | None]]]:
    """At most MOST_COLUMNS places on the x axis with every line's value there: the highest near it."""
    places = sorted({x for line in lines for x, _ in line.points})
    size = math.ceil(len(places) / MOST_COLUMNS)
    groups = [places[start : start + size] for start in range(0, len(places), size)]
    known = [dict(line.points) for line in lines]
    return [
        (group[0], [max((values[x] for x in group if x in values), default=None) for values in known])
        for group in groups
    ]


def _at(x: float, x_label: str, names: dict[float, str]) -> str:
    return names.get(x, f"{number(x)} {x_label}")


def _columns(lines: Sequence[Line], axes: _Axes, x_label: str, y_label: str, names: dict[float, str]) -> list[str]:
    """What is shown of a moment when it is pointed at."""
    moments = _moments(lines)
    ends = [(first[0] + second[0]) / 2 for first, second in pairwise(moments)]
    columns = []
    for (x, values), begin, end in zip(moments, [0.0, *ends], [*ends, axes.last_x], strict=True):
        told = "".join(
            f'<span><i class="key {line.style}"></i>{escape(line.name)} <b>{number(value)}</b></span>'
            for line, value in zip(lines, values, strict=True)
            if value is not None
        )
        side = " late" if x > axes.last_x / 2 else ""
        place = f"left:{axes.left(begin)};width:{axes.left(end - begin)}"
        columns.append(
            f'<div class="moment{side}" style="{place}" aria-hidden="true">'
            f'<div class="tip"><span>{escape(_at(x, x_label, names))}, {escape(y_label)}</span>{told}</div></div>'
        )
    return columns


def _figures(title: str, lines: Sequence[Line], x_label: str, names: dict[float, str]) -> str:
    """The values as a table, folded."""
    head = "".join(f"<th scope='col'>{escape(line.name)}</th>" for line in lines)
    rows = "".join(
        f"<tr><th scope='row'>{escape(_at(x, '', names).strip())}</th>"
        + "".join(f"<td class='figure'>{'' if value is None else number(value)}</td>" for value in values)
        + "</tr>"
        for x, values in _moments(lines)
    )
    return (
        f"<details><summary>{escape(title)} as a table</summary><div class='scroll tall' tabindex='0' role='group' "
        f"aria-label='{escape(title)} as a table'><table><thead><tr><th scope='col'>{escape(x_label)}</th>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table></div></details>"
    )


def _legend(lines: Sequence[Line]) -> str:
    if len(lines) == 1:
        return ""
    items = "".join(f'<li><span class="key {line.style}"></span>{escape(line.name)}</li>' for line in lines)
    return f'<ul class="legend">{items}</ul>'


def percentile_marks() -> tuple[tuple[float, str], ...]:
    """Where the percentiles are on an axis on which each further nine takes the same room."""
    return tuple((percentile_place(percent), f"{percent:g} %") for percent in (50, 90, 99, 99.9, 99.99))


def percentile_place(percent: float) -> float:
    """The place of a percentile on that axis."""
    return -math.log10(max(1e-5, 1 - percent / 100))
