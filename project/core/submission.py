"""What a person submits, checked against what the space takes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from project.core.model import SpaceSettings, StoredFile
from project.errors import EmptySubmission, FieldInvalid, FieldNotEnabled

MOST_PROMPT_CHARS: Final = 100_000
MOST_KEY_CHARS: Final = 200
TEST_ID_HEADER: Final = "X-Load-Test-Id"
MOST_TEST_ID_CHARS: Final = 64
MOST_URL_CHARS: Final = 2000
MOST_PARAMS_CHARS: Final = 120_000
"""A conversation may be as long as a prompt, and has some signs around it."""
MOST_PARAMS_DEPTH: Final = 16
"""Far below what any JSON writer on the way to the worker, or the worker's own reader, gives up at."""
FILE_FIELDS: Final = ("audio_file", "video_file", "other_file")
_NO_TEXT: Final = re.compile("[\\x00\\ud800-\\udfff]")
_ENABLED_BY: Final = {
    "prompt": "enable_prompt",
    "audio_file": "enable_audio",
    "audio_url": "enable_audio",
    "video_file": "enable_video",
    "other_file": "enable_file_upload",
}


@dataclass(frozen=True, slots=True)
class Submission:
    """A prompt, an address of a sound, parameters, and files already stored; at least one of the first or last.

    ``test_id`` names the load run that submits it, and is no part of what is asked.
    """

    prompt: str = ""
    audio_url: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
    test_id: str = ""

    def with_files(self, files: tuple[StoredFile, ...]) -> Submission:
        """The same with its files."""
        return replace(self, files=files)


def check_fields(settings: SpaceSettings, form: Mapping[str, Any], file_fields: Collection[str] = ()) -> Submission:
    """The submission of a form and the names of its file fields, without the files.

    Raises FieldInvalid, FieldNotEnabled or EmptySubmission, naming the field.
    """
    prompt = _text(form, "prompt", MOST_PROMPT_CHARS)
    audio_url = _text(form, "audio_url", MOST_URL_CHARS).strip()
    given = [name for name, value in (("prompt", prompt.strip()), ("audio_url", audio_url)) if value]
    for name in (*given, *file_fields):
        if name not in _ENABLED_BY:
            raise FieldInvalid(f"{name} is not a field of this form", field=name)
        if not getattr(settings, _ENABLED_BY[name]):
            raise FieldNotEnabled(f"This space does not take {name}", field=name)
    if audio_url:
        _check_url(audio_url)
    if not given and not file_fields:
        raise EmptySubmission(field="prompt")
    return Submission(prompt=prompt, audio_url=audio_url, params=_params(form.get("params")))


def asked(payload: Mapping[str, Any]) -> Submission:
    """What was submitted, by the payload that was made of it, without the files."""
    audio = payload.get("audio") or {}
    return Submission(
        prompt=payload.get("prompt", ""), audio_url=audio.get("url", ""), params=payload.get("params", {})
    )


def fingerprint(space_id: str, submission: Submission) -> str:
    """What tells one submission from another, whatever it is called: the space, the fields, and the files' content."""
    files = [[file.field, file.name, file.size_bytes, file.sha256] for file in submission.files]
    body = [space_id, submission.prompt, submission.audio_url, submission.params, files]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def check_key(key: str) -> str:
    """An idempotency key as it may be kept. Raises FieldInvalid."""
    if len(key) > MOST_KEY_CHARS or not all("!" <= char <= "~" for char in key):
        most = f"at most {MOST_KEY_CHARS} letters, digits and signs of ASCII"
        raise FieldInvalid(f"An Idempotency-Key has {most}", field="Idempotency-Key")
    return key


def check_test_id(test_id: str) -> str:
    """The id of a load run as it may be kept. Raises FieldInvalid."""
    if len(test_id) > MOST_TEST_ID_CHARS or not all("!" <= char <= "~" for char in test_id):
        most = f"at most {MOST_TEST_ID_CHARS} letters, digits and signs of ASCII"
        raise FieldInvalid(f"An {TEST_ID_HEADER} has {most}", field=TEST_ID_HEADER)
    return test_id


def _text(form: Mapping[str, Any], name: str, most: int) -> str:
    value = form.get(name) or ""
    if not isinstance(value, str):
        raise FieldInvalid(f"{name} must be a text", field=name)
    if len(value) > most:
        raise FieldInvalid(f"{name} may have at most {most} characters", field=name)
    if _NO_TEXT.search(value):
        raise FieldInvalid(f"{name} has characters that are not text", field=name)
    return value


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok or any(c.isspace() for c in url):
        raise FieldInvalid("audio_url must be an http or https address", field="audio_url")


def _params(value: Any) -> Mapping[str, Any]:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, dict):
        raise FieldInvalid("params must be a JSON object", field="params")
    _check_depth(value)
    try:
        # What the store and the worker will be given: no NaN, no half of a character, and not too much of it.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:
        raise FieldInvalid("params has a number or characters that JSON does not have", field="params") from None
    if len(text) > MOST_PARAMS_CHARS:
        raise FieldInvalid(f"params may have at most {MOST_PARAMS_CHARS} characters", field="params")
    return value


def _parsed(text: str) -> Any:
    if len(text) > MOST_PARAMS_CHARS:
        raise FieldInvalid(f"params may have at most {MOST_PARAMS_CHARS} characters", field="params")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise FieldInvalid("params must be JSON", field="params") from None


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MOST_PARAMS_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for children in inner for child in children if isinstance(child, (dict, list))]
        if not level:
            return
    raise FieldInvalid(f"params may be nested at most {MOST_PARAMS_DEPTH} deep", field="params")
