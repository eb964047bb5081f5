"""A site as its testers see it: HTTP, nothing else."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from project.errors import SpacesError

CONNECT_S: Final = 5.0
ANSWER_S: Final = 40.0
"""Longer than the site ever keeps a waiting call."""
GREETING_S: Final = 10.0
INPUTS: Final = ("prompt", "audio", "video", "file_upload")


class Unreachable(SpacesError):
    """The site cannot be reached."""

    code = "unreachable"


class NoAnswer(SpacesError):
    """The site took a call and did not answer in time."""

    code = "no_answer"


@dataclass
class Visitor:
    """One browser, or one program, with its own cookies. ``trace`` is told of every call."""

    host: str
    trace: Callable[[str], None] = field(default=lambda line: None)
    session: requests.Session = field(default_factory=requests.Session)

    def twin(self) -> Visitor:
        """The same person with a session of its own, logged in as this one is."""
        twin = Visitor(self.host, self.trace)
        twin.session.cookies.update(self.session.cookies)
        return twin

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path; redirects are not followed. Raises Unreachable or NoAnswer, as every call here."""
        return self._call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """POST to a path; redirects are not followed."""
        return self._call("POST", path, **options)

    def greet(self) -> None:
        """See whether anybody is there at all. Raises Unreachable."""
        try:
            self.get("/", timeout=(CONNECT_S, GREETING_S))
        except NoAnswer:
            raise Unreachable(f"Cannot reach {self.host}: no answer within {GREETING_S:g} s") from None

    def login(self, username: str, password: str) -> requests.Response:
        """Log in; the answer."""
        return self.post("/login", data={"username": username, "password": password})

    def register(self, username: str, password: str) -> requests.Response:
        """Make an account; the answer."""
        return self.post("/register", data={"username": username, "password": password})

    def submit(self, space_id: str, **options: Any) -> requests.Response:
        """Submit a request to a space."""
        return self.post(f"/websockets/submit/{space_id}", **options)

    def status(self, request_id: str, wait_s: float = 0.0) -> requests.Response:
        """Ask for a request's status; the site waits up to ``wait_s`` seconds for it to be over."""
        query = {"request_id": request_id, **({"wait": f"{wait_s:g}"} if wait_s else {})}
        return self.get("/websockets/status", params=query)

    def space_status(self, space_id: str) -> requests.Response:
        """Ask whether a space is connected, and for its queue."""
        return self.get(f"/websockets/space/{space_id}/status")

    def make_space(self, name: str, **fields: str) -> tuple[requests.Response, str]:
        """Make a space with every kind of input; the answer and the id it redirects to (empty if it does not).

        ``fields`` are more of the form's.
        """
        form = {
            "name": name,
            "description": "Made by the test tool",
            "card_type": "websockets",
            "cover": "default.png",
            "cover_type": "image",
            **{f"ws_enable_{kind}": "on" for kind in INPUTS},
            **fields,
        }
        answer = self.post("/admin/space/add", data=form)
        found = re.search(r"/admin/space/edit/([\w-]+)$", answer.headers.get("Location", ""))
        return answer, found[1] if found else ""

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        began = time.monotonic()
        options = {"timeout": (CONNECT_S, ANSWER_S), "allow_redirects": False, **options}
        try:
            answer = self.session.request(method, self.host + path, **options)
        except requests.ConnectionError as error:
            raise Unreachable(
                f"Cannot reach {self.host}: {_reason(error)}. Is the site running? Start it with: python run.py"
            ) from error
        except requests.RequestException as error:
            raise NoAnswer(f"{method} {path}: {error}") from error
        self.trace(f"{method} {path} -> {answer.status_code} ({(time.monotonic() - began) * 1000:.0f} ms)")
        return answer


def _reason(error: requests.ConnectionError) -> str:
    """Why there is no connection, in words for people."""
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, socket.gaierror):
            return "the host name is not known"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection; is its certificate good, and does it speak https at all?"
    return "timed out" if isinstance(error, requests.ConnectTimeout) else "the connection broke"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
