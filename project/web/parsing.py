"""Bodies that are held in memory, judged before they are taken apart: how long they are, and of how many parts.

Two megabytes of commas are a million values, and a second of everybody's time. What has more parts than anything here
asks for is not taken apart at all, and a long form piece by piece, so that others are served meanwhile. A thread of the
system would be no help: it takes the interpreter from the loop whenever the loop lets go of it for a moment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import IO, Any, Final

from werkzeug.formparser import FormDataParser

from project.core.submission import MOST_PARAMS_CHARS
from project.errors import FieldInvalid, TooLarge
from project.runtime import give_way

MOST_FIELDS: Final = 500
MOST_FIELD_BYTES: Final = 12 * MOST_PARAMS_CHARS
"""The longest text that any form here takes, if each of its characters takes the most: four bytes of three signs."""
PIECE_BYTES: Final = 16 * 1024
"""So much of a form takes some two milliseconds at worst."""
MOST_VALUES: Final = 50_000
"""Of each sign that begins or parts values: more do not fit into the longest parameters that are taken."""
MOST_BARE_BYTES: Final = 160 * 1024
"""JSON beside its texts and its white space: the longest parameters, and some more."""
SIGNS: Final = (b"[", b"{", b",")
_ESCAPED: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


class BoundedFormParser(FormDataParser):
    """The framework's parser, which would take a million fields of a form that has no files."""

    def _parse_urlencoded(self, stream: IO[bytes], mimetype: str, content_length: int | None, options: Any) -> Any:
        return stream, self.cls(fields_of(stream.read())), self.cls()


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """Names and values of a urlencoded form.

    Raises TooLarge for more fields, or a longer one, than any form here has, FieldInvalid for what is not UTF-8.
    """
    if body.count(b"&") >= MOST_FIELDS:
        raise TooLarge(f"A form may have at most {MOST_FIELDS} fields")
    fields = [field.partition(b"=") for field in body.split(b"&") if field]
    if any(len(name) + len(value) > MOST_FIELD_BYTES for name, _, value in fields):
        raise TooLarge(f"A field of a form may have at most {MOST_FIELD_BYTES} bytes")
    rest = (lambda: None) if len(body) <= PIECE_BYTES else give_way
    return [(_text(name, rest), _text(value, rest)) for name, _, value in fields]


def _text(sent: bytes, rest: Callable[[], None]) -> str:
    """What was written as ``sent``; a per cent sign that escapes nothing stands for itself."""
    plain = bytearray()
    begin = 0
    while begin < len(sent):
        end = begin + PIECE_BYTES
        # An escaped sign is not cut in two.
        cut = sent.rfind(b"%", end - 2, end)
        end = cut if cut > 0 else end
        plain += _ESCAPED.sub(_unescaped, sent[begin:end].replace(b"+", b" "))
        begin = end
        rest()
    try:
        return plain.decode()
    except UnicodeDecodeError:
        raise FieldInvalid("A form must be text in UTF-8", field="body") from None


def _unescaped(run: re.Match[bytes]) -> bytes:
    return bytes.fromhex(run[0].replace(b"%", b"").decode("ascii"))


def json_of(body: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """What a JSON text says. Raises TooLarge for more values than anything here asks for, ValueError for no JSON."""
    _check_values(body)
    try:
        return json.loads(body, parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check_values(body: bytes) -> None:
    """Raise TooLarge for too many values, or too long ones that are no texts: a text may be nothing but such signs."""
    if len(body) <= MOST_VALUES:
        return
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 2 * MOST_VALUES:
        raise TooLarge(f"JSON may have at most {MOST_VALUES} texts")
    bare = b"".join(unescaped.split(b'"')[::2]).translate(None, b" \t\r\n")
    if len(bare) > MOST_BARE_BYTES or any(bare.count(sign) > MOST_VALUES for sign in SIGNS):
        raise TooLarge(f"JSON may have at most {MOST_VALUES} values, of {MOST_BARE_BYTES} bytes beside its texts")
