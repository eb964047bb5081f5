"""A model's markdown as HTML that can do nothing: rendered without raw HTML, then cut down to a list of harmless tags.

Two walls, because each has had holes: the renderer escapes whatever looks like HTML, the sanitiser drops whatever is
not listed. A third, the pages' Content-Security-Policy, allows no script and no style beside the site's own files.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt

from project.runtime import give_way

MOST_CHARS: Final = 50_000
"""Longer answers are shown as text: rendering takes time, and nobody reads that much formatted."""
MOST_LINES: Final = 4_000
MOST_CELLS: Final = 10_000
"""Of tables: a row may be short, and be filled up to as many columns as the head has."""
STEPS: Final = 32
"""So many rules are tried in between, which takes some tenths of a millisecond."""
_TAGS = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul"
TAGS: Final = frozenset(_TAGS.split(" "))
ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES: Final = frozenset({"http", "https"})


def _rest(state: Any, *_: Any) -> bool:
    """A rule that fits nowhere, and is tried wherever others are: there, others are let go first."""
    steps = state.env["steps"] = state.env.get("steps", 0) + 1
    if not steps % STEPS:
        give_way()
    return False


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image"])
    renderer.block.ruler.before("table", "rest", _rest, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    renderer.inline.ruler.before("text", "rest", _rest)
    return renderer


_RENDERER: Final = _renderer()


@lru_cache(maxsize=64)
def rendered(text: str) -> str | None:
    """The HTML of a text in markdown; None for one that is too long. Pictures become links: none is fetched.

    A text that is all signs takes up to a second of processor, in which it gives way to others again and again.
    """
    if len(text) > MOST_CHARS or _is_too_much(text.split("\n")):
        return None
    env: dict[str, Any] = {}
    tokens = _RENDERER.parse(text, env)
    give_way()
    html = _RENDERER.renderer.render(tokens, _RENDERER.options, env)
    give_way()
    return nh3.clean(
        html,
        tags=set(TAGS),
        attributes={name: set(names) for name, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )


def _is_too_much(lines: list[str]) -> bool:
    return len(lines) > MOST_LINES or len(lines) * max(line.count("|") for line in lines) > MOST_CELLS
