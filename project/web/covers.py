"""Covers of spaces: a picture of ``static/covers``, an emoji, or the initials of the name on a coloured ground."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

from flask import current_app

from project.core.model import Space, SpaceSettings
from project.errors import FieldInvalid

DEFAULT: Final = "default.png"
GROUNDS: Final = 8
"""How many colours of ground the style sheet has."""
PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg"})


def cover_of(found: Space) -> dict[str, str | int | None]:
    """What a page draws: ``emoji`` or ``picture`` (a path under ``static``), ``initials`` for a browser without emoji,
    and ``ground``, a number below ``GROUNDS`` by which spaces with the same cover are told apart.
    """
    settings = found.settings
    art: dict[str, str | int | None] = {
        "emoji": None,
        "picture": None,
        "initials": initials(found.name),
        "ground": zlib.crc32(found.id.encode()) % GROUNDS,
    }
    if settings.cover_type == "emoji":
        return art | {"emoji": settings.cover}
    # A picture may be taken away after it was chosen; the form of the space tells of that.
    return art | {"picture": f"covers/{settings.cover if settings.cover in pictures() else DEFAULT}"}


def check_cover(settings: SpaceSettings) -> SpaceSettings:
    """The same settings. Raises FieldInvalid if the cover is a picture that is not there."""
    if is_missing(settings):
        raise FieldInvalid(f"static/covers has no {settings.cover}, but: {', '.join(pictures())}", field="cover")
    return settings


def is_missing(settings: SpaceSettings) -> bool:
    """Whether the cover is a picture that is not there (any more)."""
    return settings.cover_type == "image" and settings.cover not in pictures()


def pictures() -> list[str]:
    """The names of the pictures of ``static/covers``."""
    folder = Path(current_app.static_folder or "") / "covers"
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def initials(name: str) -> str:
    """One or two characters that stand for a name: of its first two words, or the first of one that needs no spaces."""
    words = [word for word in ("".join(c if c.isalnum() else " " for c in name)).split() if word]
    if not words:
        return "·"
    first = words[0][0]
    if not first.isascii() or len(words) == 1:
        return first.upper()
    return (first + words[1][0]).upper()
