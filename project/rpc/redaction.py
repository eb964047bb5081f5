"""What of a call is kept in the log: no secrets, and no long texts whole."""

from __future__ import annotations

import re
from typing import Any, Final

MASK: Final = "[redacted]"
CUT: Final = "[shortened]"
MOST_TEXT_CHARS: Final = 4000
MOST_ITEMS: Final = 200
_SECRET_NAME: Final = re.compile(
    r"passw|passphrase|secret|token|api_?-?key|authori[sz]ation|cookie|credential|private_?-?key|\botp\b",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"\bws[a-z]_[A-Za-z0-9]+_[A-Za-z0-9_-]{16,}"  # tokens of this site
    r"|\bBearer\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:sk|pk|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)


def redacted(value: Any, name: str = "") -> Any:
    """A JSON value as it may be kept. ``name`` is the key it stands under."""
    if isinstance(value, dict):
        kept = {key: redacted(inner, key) for key, inner in list(value.items())[:MOST_ITEMS]}
        return kept if len(value) <= MOST_ITEMS else {**kept, CUT: len(value) - MOST_ITEMS}
    if name and _SECRET_NAME.search(name) and value not in (None, "", True, False):
        return MASK
    if isinstance(value, (list, tuple)):
        items = [redacted(inner) for inner in value[:MOST_ITEMS]]
        return items if len(value) <= MOST_ITEMS else [*items, CUT]
    return redacted_text(value) if isinstance(value, str) else value


def redacted_text(text: str) -> str:
    """A text without what looks like a secret, and not too long."""
    text = _SECRET_TEXT.sub(MASK, text)
    return text if len(text) <= MOST_TEXT_CHARS else f"{text[:MOST_TEXT_CHARS]} {CUT}"


def is_whole(kept: Any) -> bool:
    """Whether nothing was masked or cut from a kept value, so that it can be used again."""
    if isinstance(kept, dict):
        return CUT not in kept and all(is_whole(inner) for inner in kept.values())
    if isinstance(kept, list):
        return all(is_whole(inner) for inner in kept)
    return not (isinstance(kept, str) and (MASK in kept or kept.endswith(CUT)))
