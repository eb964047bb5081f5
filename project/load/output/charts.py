"""Line charts as SVG text: no script, no network, readable in print, in dark mode and by screen readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 860
HEIGHT: Final = 270
LEFT: Final = 64
RIGHT: Final = 16
TOP: Final = 28
BOTTOM: Final = 40
MOST_POINTS: Final = 600
"""Of a line; more are joined into means, with the worst kept as they are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its CSS class, and ``(x, y)`` in ascending x."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


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
    return [step * number for number in range(math.ceil((highest or 1.0) / step - 1e-9) + 1)]


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most about ``most`` points: of each run of neighbours the highest, so that no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    return [max(points[start : start + size], key=lambda point: point[1]) for start in range(0, len(points), size)]


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_marks: Sequence[tuple[float, str]] = (),
    bands: Sequence[tuple[float, str]] = (),
) -> str:
    """The chart as ``<svg>``. ``x_marks`` replace the ticks of the x axis; ``bands`` are horizontal limits."""
    everything = [point for line in lines for point in line.points]
    if not everything:
        return f"<p class='empty'>{escape(title)}: nothing to show.</p>"
    last_x = max(x for x, _ in everything) or 1.0
    heights = ticks(max(y for _, y in everything))
    top = heights[-1] or 1.0

    def across(x: float) -> float:
        return LEFT + x / last_x * (WIDTH - LEFT - RIGHT)

    def down(y: float) -> float:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    marks = x_marks or [(tick, f"{tick:g}") for tick in ticks(last_x, 10) if tick <= last_x * 1.0001]
    foot, told = HEIGHT - BOTTOM + 16, escape(_told(title, lines, y_label))
    parts = [
        f'<div class="scroll"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told}">',
        *(_horizontal(down(height), f"{height:g}") for height in heights),
        *(_text("tick", across(x), foot, name, "middle") for x, name in marks),
        _text("label", (LEFT + WIDTH) / 2, HEIGHT - 6, x_label, "middle"),
        _text("label", 6, 14, y_label),
        *(_limit(down(limit), style) for limit, style in bands if 0 < limit <= top),
    ]
    for line in lines:
        shown = thinned(line.points)
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in shown)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
        if len(shown) <= 80:
            parts += [
                f'<circle class="dot {line.style}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="2.5">'
                f"<title>{escape(line.name)}: {y:.4g} {escape(y_label)} ({x_label} {x:.4g})</title></circle>"
                for x, y in shown
            ]
    parts.append("</svg></div>")
    return "".join(parts) + _legend(lines)


def _told(title: str, lines: Sequence[Line], unit: str) -> str:
    """The chart in words."""
    peaks = [f"{line.name} at most {max(y for _, y in line.points):.4g}" for line in lines if line.points]
    return f"{title} ({unit}): {'; '.join(peaks)}"


def _text(style: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _horizontal(y: float, name: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
    )


def _limit(y: float, style: str) -> str:
    return f'<line class="limit {style}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'


def _legend(lines: Sequence[Line]) -> str:
    items = "".join(f'<li><span class="key {line.style}"></span>{escape(line.name)}</li>' for line in lines)
    return f'<ul class="legend">{items}</ul>'


def percentile_marks() -> tuple[tuple[float, str], ...]:
    """Where the percentiles are on an axis on which each further nine takes the same room."""
    return tuple((percentile_place(percent), f"{percent:g} %") for percent in (0, 50, 90, 99, 99.9, 99.99))


def percentile_place(percent: float) -> float:
    """The place of a percentile on that axis."""
    return -math.log10(max(1e-5, 1 - percent / 100))
