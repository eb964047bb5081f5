"""What a method takes: fields as data, from which come the check, the JSON Schema and the template of a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from project.errors import InvalidParams

FieldKind = Literal["text", "object", "space"]
MOST_PARAMS_BYTES: Final = 64 * 1024
MOST_DEPTH: Final = 16
TEST_ID: Final = "_test_id"
"""A parameter every method takes: the load run a call belongs to. It is logged, and not handed to the method."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. ``space`` is the id of a space; ``most`` is in characters."""

    name: str
    about: str
    kind: FieldKind = "text"
    required: bool = False
    default: Any = ""
    most: int = 200
    choices: tuple[str, ...] = ()
    sample: Any = None

    def check(self, value: Any) -> Any:
        """The value, if it can be used. Raises InvalidParams naming the field."""
        if self.kind == "object":
            if not isinstance(value, dict):
                raise InvalidParams(f"{self.name} must be a JSON object", field=self.name)
            return value
        if not isinstance(value, str):
            raise InvalidParams(f"{self.name} must be a text", field=self.name)
        if self.required and not value.strip():
            raise InvalidParams(f"{self.name} must not be empty", field=self.name)
        if len(value) > self.most:
            raise InvalidParams(f"{self.name} may have at most {self.most} characters", field=self.name)
        if self.choices and value not in self.choices:
            raise InvalidParams(f"{self.name} must be one of: {', '.join(self.choices)}", field=self.name)
        return value

    def as_schema(self) -> dict[str, Any]:
        """The field as JSON Schema."""
        if self.kind == "object":
            return {"type": "object", "description": self.about}
        schema: dict[str, Any] = {"type": "string", "description": self.about, "maxLength": self.most}
        if self.required:
            schema["minLength"] = 1
        if self.choices:
            schema["enum"] = list(self.choices)
        if not self.required:
            schema["default"] = self.default
        return schema


def check(fields: tuple[Field, ...], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with defaults filled in. Raises InvalidParams naming the first field that is wrong."""
    known = {field.name for field in fields}
    for name in params:
        if name not in known and name != TEST_ID:
            raise InvalidParams(f"{name} is not a parameter of this method", field=name)
    checked: dict[str, Any] = {}
    for field in fields:
        if field.name in params:
            checked[field.name] = field.check(params[field.name])
        elif field.required:
            raise InvalidParams(f"{field.name} is missing", field=field.name)
        else:
            checked[field.name] = {} if field.kind == "object" else field.default
    return checked


def as_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    """The JSON Schema of a method's parameters."""
    return {
        "type": "object",
        "properties": {field.name: field.as_schema() for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def sample(fields: tuple[Field, ...], space_id: str) -> dict[str, Any]:
    """Parameters to begin with: every field that has a sample; ``space_id`` where a space is asked for."""
    given = {field.name: space_id if field.kind == "space" else field.sample for field in fields}
    return {name: value for name, value in given.items() if value is not None}


def check_json(params: Any) -> dict[str, Any]:
    """The parameters, if a store and a page can hold them: JSON, not too much of it, and nothing but text in texts.

    Raises InvalidParams.
    """
    if not isinstance(params, dict):
        raise InvalidParams("params must be a JSON object", field="params")
    _check_depth(params)
    try:
        text = json.dumps(params, ensure_ascii=False, allow_nan=False)
        size = len(text.encode("utf-8"))
    except ValueError:
        raise InvalidParams("params has a number or characters that JSON does not have", field="params") from None
    if size > MOST_PARAMS_BYTES:
        raise InvalidParams(f"params may have at most {MOST_PARAMS_BYTES} bytes", field="params")
    if "\\u0000" in text and _has_nul(params):
        raise InvalidParams("params has characters that are not text", field="params")
    test_id = params.get(TEST_ID, "")
    if not isinstance(test_id, str) or len(test_id) > 64:
        raise InvalidParams(f"{TEST_ID} must be a text of at most 64 characters", field=TEST_ID)
    return params


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for children in inner for child in children if isinstance(child, (dict, list))]
        if not level:
            return
    raise InvalidParams(f"params may be nested at most {MOST_DEPTH} deep", field="params")


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _has_nul(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(_has_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value
