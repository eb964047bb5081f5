"""A model's markdown as HTML that can do nothing: rendered without raw HTML, then cut down to a list of harmless tags.

Two walls, because each has had holes: the renderer escapes whatever looks like HTML, the sanitiser drops whatever is
not listed. A third, the pages' Content-Security-Policy, allows no script and no style beside the site's own files.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import nh3
from markdown_it import MarkdownIt

MOST_CHARS: Final = 50_000
"""Longer answers are shown as text: rendering takes time, and nobody reads that much formatted."""
_TAGS = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul"
TAGS: Final = frozenset(_TAGS.split(" "))
ATTRIBUTES: Final = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES: Final = frozenset({"http", "https"})
_RENDERER: Final = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["image"])


@lru_cache(maxsize=64)
def rendered(text: str) -> str | None:
    """The HTML of a text in markdown; None for one that is too long. Pictures become links: none is fetched.

    Takes up to some tens of milliseconds of processor: not for the event loop.
    """
    if len(text) > MOST_CHARS:
        return None
    return nh3.clean(
        _RENDERER.render(text),
        tags=set(TAGS),
        attributes={name: set(names) for name, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
