"""The settings of a space, read from the fields of its form (the names are the testing guide's)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from project.core.model import SpaceSettings
from project.errors import FieldInvalid

CARD_TYPES: Final = ("websockets", "link")
COVER_TYPES: Final = ("image", "emoji")
MOST_NAME_CHARS: Final = 100
MOST_DESCRIPTION_CHARS: Final = 5000
_COVER_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_SWITCHES: Final = {
    "ws_enable_prompt": "enable_prompt",
    "ws_enable_audio": "enable_audio",
    "ws_enable_video": "enable_video",
    "ws_enable_file_upload": "enable_file_upload",
}
_ON: Final = ("on", "true", "1", "yes")


def parse_settings(form: Mapping[str, str]) -> SpaceSettings:
    """The settings a form describes; absent numbers take their defaults, absent switches are off.

    Raises FieldInvalid naming the form's field.
    """
    settings = SpaceSettings(
        name=_name(form),
        description=_limited(form, "description", MOST_DESCRIPTION_CHARS),
        card_type=_choice(form, "card_type", CARD_TYPES),
        cover=_cover(form),
        cover_type=_choice(form, "cover_type", COVER_TYPES),
        rate_limit_s=_number(form, "ws_rate_limit_seconds", 0.0, least=0.0, most=86400.0),
        max_workers=int(_number(form, "ws_max_workers", 1, least=1, most=64)),
        max_queue=int(_number(form, "ws_max_queue", 1000, least=1, most=100_000)),
        run_timeout_s=_number(form, "ws_run_timeout_seconds", 120.0, least=1.0, most=86400.0),
        queue_timeout_s=_number(form, "ws_queue_timeout_seconds", 3600.0, least=1.0, most=7 * 86400.0),
        **{name: form.get(field, "").lower() in _ON for field, name in _SWITCHES.items()},
    )
    takes_something = any(getattr(settings, name) for name in _SWITCHES.values())
    if settings.card_type == "websockets" and not takes_something:
        raise FieldInvalid("Enable at least one kind of input", field="ws_enable_prompt")
    return settings


def _name(form: Mapping[str, str]) -> str:
    name = unicodedata.normalize("NFC", form.get("name", "")).strip()
    if not name:
        raise FieldInvalid("A space needs a name", field="name")
    if len(name) > MOST_NAME_CHARS:
        raise FieldInvalid(f"The name may have at most {MOST_NAME_CHARS} characters", field="name")
    if any(unicodedata.category(char).startswith("C") for char in name):
        raise FieldInvalid("The name has characters that cannot be seen", field="name")
    return name


def _limited(form: Mapping[str, str], field: str, most: int) -> str:
    value = form.get(field, "").strip()
    if len(value) > most:
        raise FieldInvalid(f"{field} may have at most {most} characters", field=field)
    return value


def _choice(form: Mapping[str, str], field: str, choices: tuple[str, ...]) -> str:
    value = form.get(field) or choices[0]
    if value not in choices:
        raise FieldInvalid(f"{field} must be one of: {', '.join(choices)}", field=field)
    return value


def _cover(form: Mapping[str, str]) -> str:
    cover = form.get("cover", "").strip()
    if form.get("cover_type") == "emoji":
        if not cover or len(cover) > 8 or cover.isascii():
            raise FieldInvalid("The cover must be one emoji", field="cover")
        return cover
    if cover and not _COVER_NAME.fullmatch(cover):
        raise FieldInvalid("The cover is the name of a picture in static/covers, such as default.png", field="cover")
    return cover or "default.png"


def _number(form: Mapping[str, str], field: str, default: float, *, least: float, most: float) -> float:
    text = form.get(field, "").strip()
    try:
        value = float(text) if text else float(default)
    except ValueError:
        raise FieldInvalid(f"{field} must be a number", field=field) from None
    if not least <= value <= most:
        raise FieldInvalid(f"{field} must be from {least:g} to {most:g}", field=field)
    return value
