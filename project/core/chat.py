"""Chat completions: the form in which many programs already ask models, read as a submission and answered by a request.

A conversation of one message is the request's prompt. A longer one travels whole in ``params``, beside its last message
of the person as prompt, so that a handler that knows nothing of conversations still has something to answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from project.core.model import Request
from project.core.reasons import REASONS
from project.core.states import Status
from project.core.submission import MOST_PROMPT_CHARS
from project.errors import AnswerChanged, FieldInvalid, RequestFailed

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
MOST_MESSAGES: Final = 1000
_OWN: Final = ("model", "messages", "stream", "stream_options", "n", "user")
"""What the site itself reads; everything else is for the model, and travels in ``params``."""
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
FINISHES: Final = ("stop", "length", "content_filter", "tool_calls")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Who is asked, the fields of a submission, and whether the answer comes in pieces, with its usage at the end."""

    model: str
    form: Mapping[str, Any]
    stream: bool
    with_usage: bool


def read(body: Mapping[str, Any]) -> ChatRequest:
    """The body of ``POST /v1/chat/completions``. Raises FieldInvalid, naming the field."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise FieldInvalid("model must be the id or the name of a space", field="model")
    if body.get("n") not in (None, 1):
        raise FieldInvalid("n must be 1: a request has one answer", field="n")
    messages = _messages(body.get("messages"))
    params = {name: value for name, value in body.items() if name not in _OWN and value is not None}
    if len(messages) > 1:
        params["messages"] = messages
    prompt = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
    if not prompt.strip():
        raise FieldInvalid("messages needs one of the role user that is not empty", field="messages")
    options = body.get("stream_options") or {}
    return ChatRequest(
        model,
        {"prompt": prompt, "params": params},
        stream=_flag(body, "stream"),
        with_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name) or False
    if not isinstance(value, bool):
        raise FieldInvalid(f"{name} must be true or false", field=name)
    return value


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_MESSAGES:
        raise FieldInvalid(f"messages must be a list of 1 to {MOST_MESSAGES} messages", field="messages")
    messages = [_message(entry, f"messages[{number}]") for number, entry in enumerate(value)]
    if sum(len(message["content"]) for message in messages) > MOST_PROMPT_CHARS:
        raise FieldInvalid(f"messages may have at most {MOST_PROMPT_CHARS} characters in all", field="messages")
    return messages


def _message(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.get("role") not in ROLES:
        raise FieldInvalid(f"{where} must have a role, one of: {', '.join(ROLES)}", field="messages")
    return entry | {"content": _content(entry.get("content"), f"{where}.content")}


def _content(value: Any, where: str) -> str:
    """A message's text: as such, in parts, or none, as an assistant's has that only calls tools."""
    if value is None:
        return ""
    parts = [{"type": "text", "text": value}] if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise FieldInvalid(f"{where} must be a text or a list of parts", field="messages")
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise FieldInvalid(
                f"{where} may have parts of type text only; files are sent to /websockets/submit", field="messages"
            )
    return "".join(part["text"] for part in parts)


def text_of(request: Request) -> str:
    """What the model said, or has said so far. Raises RequestFailed if it ended without an answer."""
    if not request.is_over:
        return request.partial
    if request.status is not Status.COMPLETED:
        known = REASONS.get(request.code or "", "")
        raise RequestFailed(" ".join(filter(None, (known, request.error if request.error != known else ""))) or None)
    result = request.result or {}
    text = result.get("text_output")
    if isinstance(text, str):
        return text
    return request.partial or json.dumps(result, ensure_ascii=False)


def completion(request: Request, model: str) -> dict[str, Any]:
    """The answer to one that waits for it. Raises RequestFailed."""
    message = {"role": "assistant", "content": text_of(request), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(request)}
    body = _head(request, model, "chat.completion") | {"choices": [choice]}
    usage = _usage(request)
    return body if usage is None else body | {"usage": usage}


class Telling:
    """One request told in pieces. ``over`` once there is nothing more to tell."""

    def __init__(self, asked: ChatRequest, model: str):
        self._with_usage = asked.with_usage
        self._model = model
        self._sent: str | None = None
        self.over = False

    def news(self, request: Request) -> Iterator[dict[str, Any]]:
        """Chunks that bring the other end from what it has to what there is.

        What was sent cannot be taken back: another attempt goes on from it if it says the same again.
        Raises AnswerChanged if it does not, RequestFailed if there will be no answer.
        """
        if self._sent is None:
            self._sent = ""
            yield self._chunk(request, {"role": "assistant", "content": ""})
        text = text_of(request)
        if text.startswith(self._sent):
            more, self._sent = text[len(self._sent) :], text
            if more:
                yield self._chunk(request, {"content": more})
        elif request.is_over or not self._sent.startswith(text):
            raise AnswerChanged
        if request.is_over:
            self.over = True
            yield self._chunk(request, {}, _finish(request))
            usage = _usage(request)
            if self._with_usage and usage is not None:
                yield _head(request, self._model, "chat.completion.chunk") | {"choices": [], "usage": usage}

    def _chunk(self, request: Request, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _head(request, self._model, "chat.completion.chunk") | {"choices": [choice]}


def _head(request: Request, model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{request.id}", "object": kind, "created": int(request.created_at), "model": model}


def _finish(request: Request) -> str:
    said = (request.result or {}).get("finish_reason")
    return said if said in FINISHES else "stop"


def _usage(request: Request) -> dict[str, int] | None:
    """How many tokens it took, if the worker says so: the site knows of none."""
    said = (request.result or {}).get("usage")
    if not isinstance(said, dict) or not all(type(said.get(name)) is int for name in _COUNTS):
        return None
    return {name: said[name] for name in _COUNTS}
