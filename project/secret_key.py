"""The site's secret: made on first use, kept by its owner alone, and replaced without a break.

It signs the workers' links and is what second factors are derived from. Whoever has it can make such links.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from project.config import Settings
from project.errors import SettingInvalid

FILE: Final = "secret_key"
LEAST_CHARS: Final = 32
_WELL_KNOWN: Final = ("changeme", "change-me", "secret", "dev", "password", "default", "your-secret", "example")
"""How keys copied from somebody's example begin."""


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The key to sign with, then those that are still believed. Raises SettingInvalid for one easy to guess."""
    kept = "" if settings.secret_key else kept_key(settings.data_dir)
    current = settings.secret_key or kept
    fallbacks = tuple(key.strip() for key in settings.secret_key_fallbacks.split(",") if key.strip())
    for variable, key in (("SPACES_SECRET_KEY", current), *(("SPACES_SECRET_KEY_FALLBACKS", k) for k in fallbacks)):
        # What the site has made itself may well begin like a word, once in many thousand times.
        copied = key is not kept and key.casefold().startswith(_WELL_KNOWN)
        if len(key) < LEAST_CHARS or len(set(key)) < 10 or copied:
            raise SettingInvalid(
                f"{variable} must be at least {LEAST_CHARS} random characters, such as those of "
                'python -c "import secrets; print(secrets.token_urlsafe(32))"',
                field=variable.removeprefix("SPACES_").lower(),
            )
    return (current, *fallbacks)


def kept_key(data_dir: Path) -> str:
    """The key in the data folder, made if there is none: 32 random bytes, readable by its owner only (mode 0600).

    The file appears whole or not at all: of two processes that start at once one makes it and both read the same.
    """
    path = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link is refused if the name is taken: the first to come is the one that counts.
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
