"""Every method that can be called, one line of the table each: what it takes, how long it may take, what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from project.core.submission import MOST_PROMPT_CHARS
from project.errors import UnknownMethod
from project.rpc import actions
from project.rpc.actions import Context, Services
from project.rpc.schema import Field, as_schema, check, sample

Run = Callable[[Services, Mapping[str, Any], Context], Any]
LEAST_TIMEOUT_S: Final = 1.0
MOST_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Method:
    """One method. ``timeout_s`` is what a call gets that asks for no other; ``waits`` if it waits for somebody else."""

    name: str
    about: str
    timeout_s: float
    run: Run
    fields: tuple[Field, ...] = ()
    waits: bool = False

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the method takes them. Raises InvalidParams naming the field."""
        return check(self.fields, params)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the parameters."""
        return as_schema(self.fields)

    def sample(self, space_id: str = "") -> dict[str, Any]:
        """Parameters to begin with."""
        return sample(self.fields, space_id)


_TYPE = Field("type", "The kind of notification, a word of the sender's own.", default="info", most=64, sample="test")
_TITLE = Field("title", "One line.", default="", most=300, sample="Test Notification")
_MESSAGE = Field("message", "The text.", default="", most=5000, sample="This is a test message")
_DATA = Field("data", "Anything else, as an object.", kind="object")
_USER = Field("user_id", "The id or the user name of the person.", required=True, sample="test-123")
_SPACE = Field("space_id", "The id of the space.", kind="space", required=True, most=64)

METHODS: Final[tuple[Method, ...]] = (
    Method(
        "notification.send", "Send notification to user", 10.0, actions.send, (_USER, _TYPE, _TITLE, _MESSAGE, _DATA)
    ),
    Method(
        "notification.broadcast", "Broadcast to all users", 10.0, actions.broadcast, (_TYPE, _TITLE, _MESSAGE, _DATA)
    ),
    Method(
        "workspace.file_changed",
        "Notify file change: who has the space open sees it anew",
        10.0,
        actions.file_changed,
        (
            _SPACE,
            Field("path", "What changed.", default="", most=1000, sample="notes/readme.md"),
            Field("change", "How.", default="modified", choices=("created", "modified", "deleted"), sample="modified"),
        ),
    ),
    Method(
        "session.message",
        "Send session message: it appears on the open pages of its recipient",
        10.0,
        actions.message,
        (_USER, Field("message", "The text.", required=True, most=5000, sample="Hello"), _DATA),
    ),
    Method(
        "space.infer",
        "Run a request through the relay and wait for its result",
        30.0,
        actions.infer,
        (
            _SPACE,
            Field("prompt", "What is asked.", required=True, most=MOST_PROMPT_CHARS, sample="hello"),
            Field("params", "Parameters for the worker's handler.", kind="object"),
        ),
        waits=True,
    ),
    Method("space.status", "Whether a space is served, and its queue", 10.0, actions.space_status, (_SPACE,)),
    Method(
        "websocket.check",
        "Open a WebSocket to the site as a worker would, and close it",
        10.0,
        actions.websocket,
        waits=True,
    ),
    Method("system.ping", "Do nothing: what a call costs at least", 5.0, actions.ping),
)
_BY_NAME: Final = {method.name: method for method in METHODS}


def find(name: str) -> Method:
    """The method of that name. Raises UnknownMethod."""
    method = _BY_NAME.get(name)
    if method is None:
        raise UnknownMethod(f"There is no method {name[:100]!r}", field="method")
    return method
