"""Pages as people see them: their visible texts and their links, not their markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

UNSEEN: Final = frozenset({"script", "style", "template", "title", "noscript"})


@dataclass
class Page:
    """The visible texts of a page in their order, those in each link by its address, those of elements by id.

    ``disabled`` are the ids of what cannot be used just now.
    """

    texts: list[str] = field(default_factory=list)
    links: dict[str, list[str]] = field(default_factory=dict)
    by_id: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, html: str) -> Page:
        """Read a page. Attributes are not texts: a page may carry words there that it does not show."""
        reader = _Reader()
        reader.feed(html)
        reader.close()
        return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._unseen: list[str] = []
        self._link: list[str] | None = None
        self._id = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._id = dict(attrs).get("id") or ""
        if "disabled" in dict(attrs):
            self.page.disabled.add(self._id)
        if tag in UNSEEN:
            self._unseen.append(tag)
        elif tag == "a":
            self._link = self.page.links.setdefault(dict(attrs).get("href") or "", [])

    def handle_endtag(self, tag: str) -> None:
        if self._unseen and self._unseen[-1] == tag:
            self._unseen.pop()
        elif tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or self._unseen:
            return
        self.page.texts.append(text)
        if self._id:
            # Only the text right inside: that is all anybody here asks for.
            self.page.by_id.setdefault(self._id, text)
        if self._link is not None:
            self._link.append(text)
