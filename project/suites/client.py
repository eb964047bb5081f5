"""A site as its testers see it: HTTP, nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from project.errors import SpacesError

TIMEOUT_S = 40.0


class Unreachable(SpacesError):
    """The site cannot be reached."""

    code = "unreachable"


@dataclass
class Visitor:
    """One browser, or one program, with its own cookies. ``trace`` is told of every call."""

    host: str
    trace: Callable[[str], None] = field(default=lambda line: None)
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path."""
        return self._call("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """POST to a path; redirects are not followed."""
        return self._call("POST", path, allow_redirects=False, **options)

    def login(self, username: str, password: str) -> requests.Response:
        """Log in; the answer."""
        return self.post("/login", data={"username": username, "password": password})

    def submit(self, space_id: str, **options: Any) -> requests.Response:
        """Submit a request to a space."""
        return self.post(f"/websockets/submit/{space_id}", **options)

    def status(self, request_id: str, wait_s: float = 0.0) -> requests.Response:
        """Ask for a request's status."""
        query = {"request_id": request_id, **({"wait": str(wait_s)} if wait_s else {})}
        return self.get("/websockets/status", params=query)

    def connected(self, space_id: str) -> bool:
        """Whether a space has a worker."""
        return self.get(f"/websockets/space/{space_id}/status").json().get("connected") is True

    def make_space(self, name: str, **fields: str) -> tuple[requests.Response, str]:
        """Make a space with every kind of input; the answer and the id it redirects to (empty if it does not)."""
        form = {
            "name": name,
            "description": "Made by the test tool",
            "card_type": "websockets",
            "cover": "default.png",
            "cover_type": "image",
            **{f"ws_enable_{kind}": "on" for kind in ("prompt", "audio", "video", "file_upload")},
            **fields,
        }
        answer = self.post("/admin/space/add", data=form)
        found = re.search(r"/admin/space/edit/([\w-]+)$", answer.headers.get("Location", ""))
        return answer, found[1] if found else ""

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        began = time.monotonic()
        try:
            answer = self.session.request(method, self.host + path, timeout=TIMEOUT_S, **options)
        except requests.ConnectionError as error:
            refused = "refused" in str(error).lower()
            reason = "connection refused" if refused else str(error)
            raise Unreachable(
                f"Cannot reach {self.host}: {reason}. Is the site running? Start it with: python run.py"
            ) from error
        except requests.RequestException as error:
            raise Unreachable(f"{method} {path} failed: {error}") from error
        self.trace(f"{method} {path} -> {answer.status_code} ({(time.monotonic() - began) * 1000:.0f} ms)")
        return answer
