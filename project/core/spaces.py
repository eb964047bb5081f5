"""The settings of a space, read from the fields of its form (the names are the testing guide's)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, cast, get_args

from project.core.model import SpaceSettings
from project.core.ordering import Order
from project.core.scripts import UNSEEN, mixed
from project.errors import FieldInvalid

CARD_TYPES: Final = ("websockets", "link")
COVER_TYPES: Final = ("image", "emoji")
MOST_NAME_CHARS: Final = 100
MOST_DESCRIPTION_CHARS: Final = 5000
_COVER_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Number:
    """A setting that is a number: its name, the field of the form, and what it may be. ``default`` is the model's."""

    name: str
    field: str
    least: float
    most: float
    about: str
    whole: bool = True

    @property
    def default(self) -> float:
        """The value of a field that is left out or empty."""
        return float(_DEFAULTS[self.name])


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting that is on or off; off when its field is left out, as an unticked box is."""

    name: str
    field: str
    about: str


INPUTS: Final = (
    Switch("enable_prompt", "ws_enable_prompt", "People may send a prompt."),
    Switch("enable_audio", "ws_enable_audio", "People may send a sound: a file, or its address."),
    Switch("enable_video", "ws_enable_video", "People may send a video."),
    Switch("enable_file_upload", "ws_enable_file_upload", "People may send other files."),
)
SWITCHES: Final = (
    *INPUTS,
    Switch(
        "queue_while_offline",
        "ws_queue_while_offline",
        "Requests are taken while no worker is there; they run when one is back, or end at their deadline.",
    ),
)
NUMBERS: Final = (
    Number("rate_limit_s", "ws_rate_limit_seconds", 0, 86400, "Seconds between two requests of a person.", whole=False),
    Number("max_queue", "ws_max_queue", 1, 100_000, "How many requests may wait."),
    Number("max_queue_per_user", "ws_max_queue_per_user", 0, 100_000, "How many of one person's; 0: as the queue."),
    Number("run_timeout_s", "ws_run_timeout_seconds", 1, 86400, "Seconds a run may take.", whole=False),
    Number("queue_timeout_s", "ws_queue_timeout_seconds", 1, 7 * 86400, "Seconds a request may wait.", whole=False),
    Number(
        "retention_days",
        "ws_retention_days",
        0,
        3650,
        "Days an ended request is kept; 0: for good.",
        whole=False,
    ),
    Number("max_workers", "ws_max_workers", 1, 64, "How many workers may serve the space at once."),
    Number("capacity", "ws_capacity", 0, 1024, "How many requests one worker has at hand; 0: as it asks."),
)
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
_DEFAULTS: Final[dict[str, Any]] = {entry.name: entry.default for entry in fields(SpaceSettings)}
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
        order=cast(Order, _choice(form, "ws_order", ORDERS)),
        **{option.name: _number(form, option) for option in NUMBERS},
        **{option.name: form.get(option.field, "").lower() in _ON for option in SWITCHES},
    )
    takes_something = any(getattr(settings, option.name) for option in INPUTS)
    if settings.card_type == "websockets" and not takes_something:
        raise FieldInvalid("Enable at least one kind of input", field="ws_enable_prompt")
    return settings


def form_of(settings: SpaceSettings) -> dict[str, str]:
    """The fields that describe these settings: what ``parse_settings`` would read them from."""
    form = {name: str(getattr(settings, name)) for name in ("name", "description", "card_type", "cover", "cover_type")}
    form["ws_order"] = settings.order
    form |= {option.field: f"{getattr(settings, option.name):.10g}" for option in NUMBERS}
    return form | {option.field: "on" if getattr(settings, option.name) else "" for option in SWITCHES}


def described(settings: SpaceSettings) -> dict[str, Any]:
    """The settings of a live space as plain data; the names are the form's, without their prefix."""
    found: dict[str, Any] = {option.field.removeprefix("ws_"): getattr(settings, option.name) for option in SWITCHES}
    found |= {option.field.removeprefix("ws_"): getattr(settings, option.name) for option in NUMBERS}
    return found | {"order": settings.order}


def _name(form: Mapping[str, str]) -> str:
    name = unicodedata.normalize("NFC", form.get("name", "")).strip()
    if not name:
        raise FieldInvalid("A space needs a name", field="name")
    if len(name) > MOST_NAME_CHARS:
        raise FieldInvalid(f"The name may have at most {MOST_NAME_CHARS} characters", field="name")
    if any(unicodedata.category(char).startswith("C") for char in name) or UNSEEN.search(name):
        raise FieldInvalid("The name has characters that cannot be seen", field="name")
    if word := mixed(name):
        raise FieldInvalid(f"{word} has letters of several alphabets that look alike; write it in one", field="name")
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


def _number(form: Mapping[str, str], option: Number) -> Any:
    text = form.get(option.field, "").strip()
    try:
        value = float(text) if text else option.default
    except ValueError:
        raise FieldInvalid(f"{option.field} must be a number", field=option.field) from None
    if not option.least <= value <= option.most:
        raise FieldInvalid(f"{option.field} must be from {option.least:g} to {option.most:g}", field=option.field)
    if option.whole and value != int(value):
        raise FieldInvalid(f"{option.field} must be a whole number", field=option.field)
    return int(value) if option.whole else value
