"""The console's charts: pictures drawn on the site, so that a page needs no script and no style for them."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from project.core.runs import LoadRun
from project.errors import FieldInvalid, Missing
from project.rpc.monitor import HOUR_S, Compared
from project.web.console import space_names
from project.web.policy import policy
from project.web.site import Site, current_site

if TYPE_CHECKING:
    import pygal
    from pygal.style import Style

blueprint = Blueprint("console_charts", __name__, url_prefix="/cfg/ipc/charts")
WIDTHS: Final = ("900", "420")
"""For a desk and for a phone: a picture that is shrunk cannot be read."""
HEIGHT: Final = 300
MOST_BARS: Final = 8
LABEL_PX: Final = 13
_FONT: Final = "system-ui, sans-serif"
_COLOURS: Final = {
    "light": ("#2563a8", "#b23b3b", "#0b6b3a", "#7c4fc4"),
    "dark": ("#7db4f0", "#ff9a92", "#74dfa2", "#c3a5ff"),
}
"""Blue, red, green, purple, as the numbers of the load tester have them."""


def _style(colours: tuple[int, ...]) -> Style:
    theme = request.args.get("theme", "light")
    if theme not in _COLOURS:
        raise FieldInvalid("theme must be light or dark", field="theme")
    from pygal.style import Style

    ink, soft, line = ("#1d2423", "#5b6664", "#e3e1da") if theme == "light" else ("#e8ecea", "#a3afac", "#303937")
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=soft,
        foreground_strong=ink,
        foreground_subtle=line,
        colors=tuple(_COLOURS[theme][index] for index in colours),
        font_family=_FONT,
        label_font_size=LABEL_PX,
        major_label_font_size=LABEL_PX,
        title_font_size=LABEL_PX,
        legend_font_size=14,
        no_data_font_size=16,
        opacity=".85",
        opacity_hover="1",
        guide_stroke_color=line,
        guide_stroke_dasharray="0",
        major_guide_stroke_color=line,
        major_guide_stroke_dasharray="0",
    )


def _width() -> int:
    width = request.args.get("width", WIDTHS[0])
    if width not in WIDTHS:
        raise FieldInvalid(f"width must be one of: {', '.join(WIDTHS)}", field="width")
    return int(width)


def _offset_s() -> int:
    """How far the reader's clock is from UTC, given in minutes."""
    text = request.args.get("offset", "0")
    if not re.fullmatch(r"-?[0-9]{1,3}", text) or abs(int(text)) > 14 * 60:
        raise FieldInvalid("offset must be in minutes from -840 to 840", field="offset")
    return int(text) * 60


def _picture(chart: pygal.Graph) -> Response:
    root = chart.render_tree()
    for parent in list(root.iter()):
        for child in list(parent):
            # The library's own script, for pictures that are pages.
            if str(child.tag).endswith("script"):
                parent.remove(child)
    response = Response(ElementTree.tostring(root, encoding="utf-8"), content_type="image/svg+xml")
    # A picture is shown as a picture: opened as a page it may do nothing. Its own style is all it needs.
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    response.headers["Cache-Control"] = "no-store"
    return response


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{round(value, 1):g}"


def _chart(kind: str, colours: tuple[int, ...], height: int = HEIGHT, **options: object) -> pygal.Graph:
    """An empty chart of the library's class ``kind``; ``colours`` has one for each series."""
    # Here, because a site whose console nobody opens need not wait for it.
    import pygal

    return getattr(pygal, kind)(
        style=_style(colours),
        width=_width(),
        height=height,
        js=(),
        show_legend=True,
        legend_at_bottom=True,
        # The library has room for the legend only where it knows of one row: as many columns as series.
        legend_at_bottom_columns=len(colours),
        legend_box_size=12,
        margin=8,
        margin_bottom=20,
        pretty_print=False,
        no_data_text=_("Nothing yet."),
        include_x_axis=True,
        value_formatter=_short,
        max_scale=5,
        truncate_legend=-1,
        truncate_label=-1,
        **options,
    )


@blueprint.get("/traffic.svg")
@policy("admin")
def traffic() -> Response:
    """Requests, failures and calls of load tests a minute, over the last hour."""
    minutes = current_site().console.monitor.minutes()
    series: dict[str, tuple[int, list[int]]] = {}
    if any(told.count or told.tests for _at, told in minutes):
        series[_("Success")] = 0, [told.count - told.failures for _at, told in minutes]
        series[_("Failed")] = 1, [told.failures for _at, told in minutes]
    if any(told.tests for _at, told in minutes):
        series[_("Load tests")] = 3, [told.tests for _at, told in minutes]
    colours = tuple(colour for colour, _values in series.values())
    major = 10 if _width() > 600 else 20
    chart = _chart("StackedBar", colours, show_minor_x_labels=False, x_labels_major_every=major)
    chart.x_title, chart.y_title = _("Time"), _("Requests a minute")
    offset_s = _offset_s()
    chart.x_labels = [datetime.fromtimestamp(at + offset_s, UTC).strftime("%H:%M") for at, _told in minutes]
    for title, (_colour, values) in series.items():
        chart.add(title, values)
    return _picture(chart)


@blueprint.get("/latency.svg")
@policy("admin")
def latency() -> Response:
    """Half of the calls and 95 of 100 were as quick as this, by method, space and worker, over the last hour."""
    groups = _groups(current_site())
    # Horizontal bars are drawn from below.
    groups = groups[::-1]
    names = [name for name, _one in groups]
    chart = _chart("HorizontalBar", (2, 3), 110 + 46 * len(groups), margin_left=8 + _more_px(names))
    chart.x_title = _("Time taken in ms")
    chart.x_labels = names
    if groups:
        chart.add("p50", [round(one.now.p50_ms, 1) for _name, one in groups])
        chart.add("p95", [round(one.now.p95_ms, 1) for _name, one in groups])
    return _picture(chart)


def _groups(site: Site) -> list[tuple[str, Compared]]:
    """The slowest groups of the last hour, the slowest first."""
    monitor, name_of = site.console.monitor, space_names(site)
    found = [(one.now.name, one) for one in monitor.methods(HOUR_S) if one.now.count]
    found += [(f"{name_of(one.now.name)} · {one.now.part}", one) for one in monitor.workers(HOUR_S)]
    most = 34 if _width() > 600 else 18
    shown = [(name if len(name) <= most else f"{name[: most - 1]}…", one) for name, one in found]
    return sorted(shown, key=lambda entry: -entry[1].now.p95_ms)[:MOST_BARS]


def _more_px(names: list[str]) -> int:
    """How much wider than the library thinks the widest of these labels is: it does not know of wide characters."""

    def wide(name: str) -> int:
        return sum(unicodedata.east_asian_width(letter) in "WF" for letter in name)

    return round(max(map(wide, names), default=0) * LABEL_PX * 0.4)


@blueprint.get("/run/<test_id>.svg")
@policy("admin")
def run(test_id: str) -> Response:
    """A stress run, step by step: how much came through, and how long it took."""
    found: LoadRun = current_site().console.load.get(test_id)
    if found.target.mode != "stress":
        raise Missing("Only a stress run has steps")
    chart = _chart("Line", (3, 2), dots_size=4, stroke_style={"width": 2})
    chart.x_title = _("At once")
    chart.x_labels = [str(step.concurrency) for step in found.steps]
    chart.add(_("Requests a second (left)"), [round(step.rps, 1) for step in found.steps])
    chart.add(_("p95 in ms (right)"), [round(step.p95_ms, 1) for step in found.steps], secondary=True)
    return _picture(chart)


@blueprint.get("/history.svg")
@policy("admin")
def history() -> Response:
    """Finished runs of one target, oldest first: requests a second and the 95th percentile."""
    load = current_site().console.load
    chosen = load.get(request.args.get("like", ""))
    runs = [one for one in load.list() if one.target.key == chosen.target.key and one.state == "finished"][:20][::-1]
    # Names of runs are long: only some of them are written.
    every = -(-len(runs) // (7 if _width() > 600 else 3)) or 1
    chart = _chart(
        "Line",
        (3, 2),
        dots_size=4,
        stroke_style={"width": 2},
        show_minor_x_labels=False,
        x_labels_major_every=every,
    )
    chart.x_title = _("Run, the oldest first")
    chart.x_labels = [one.id for one in runs]
    chart.add(_("Requests a second (left)"), [round(sum(s.rps for s in one.steps) / len(one.steps), 1) for one in runs])
    chart.add(_("p95 in ms (right)"), [round(max(s.p95_ms for s in one.steps), 1) for one in runs], secondary=True)
    return _picture(chart)
