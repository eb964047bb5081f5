"""A Locust user for the relay, so that a cluster of Locust machines can drive it.

locust -f examples/locust_relay.py --host http://localhost:5001 --space "My space" --headless -u 50 -t 1m

Each user submits a prompt, waits for its result, thinks, and submits again. Beside the single HTTP calls, ``RELAY
submit to result`` in Locust's table is the time of the whole. A user of one's own derives from `RelayUser`.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar
from urllib.parse import quote

from gevent.lock import RLock
from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.exception import StopUser

OVER = ("completed", "failed", "cancelled")
WAIT_S = 30


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    """What a relay's user has to know."""
    parser.add_argument("--space", env_var="SPACES_LOAD_SPACE", default="", help="The space's id or name.")
    parser.add_argument("--username", env_var="SPACES_LOAD_USERNAME", default="testuser", help="Who submits.")
    parser.add_argument("--password", env_var="SPACES_LOAD_PASSWORD", default="testpass123", is_secret=True)
    parser.add_argument("--prompt", env_var="SPACES_LOAD_PROMPT", default="A prompt of a load test")
    parser.add_argument("--safe", action="store_true", help="Mark requests as a load test: none is stored.")


class RelayFailed(Exception):
    """A request that ended in another way than with its result; the site's own code."""


class RelayUser(FastHttpUser):
    """Somebody at a space. The users of one process share a login: logins are slow on purpose."""

    abstract = True
    wait_time = between(0.5, 1.5)
    network_timeout = WAIT_S + 30
    connection_timeout = 10
    _gate = RLock()
    _logins: ClassVar[dict[tuple[str, str], tuple[str, str]]] = {}

    def on_start(self) -> None:
        """Log in, or take over the login that is there; find the space."""
        options = self.environment.parsed_options
        with self._gate:
            key = (str(self.host), options.username)
            if key not in self._logins:
                self._logins[key] = (self._log_in(options.username, options.password), self._find_space(options.space))
            self.cookie, self.space_id = self._logins[key]

    def _log_in(self, username: str, password: str) -> str:
        form = {"username": username, "password": password}
        with self.client.post("/login", data=form, allow_redirects=False, catch_response=True) as answer:
            if answer.status_code not in (302, 303):
                answer.failure(f"login refused ({answer.status_code})")
                self._end(f"The login of {username} was refused ({answer.status_code})")
            return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.client.cookiejar)

    def _find_space(self, wanted: str) -> str:
        with self.client.get("/", headers={"Accept": "application/json"}, name="/", catch_response=True) as answer:
            spaces = answer.json().get("spaces", []) if answer.status_code == 200 else []
            found = [space for space in spaces if wanted in (space.get("id"), space.get("space_id"), space.get("name"))]
            if len(found) != 1:
                self._end(f"{self.host} has no space {wanted!r}: say --space, its id or name")
            return str(found[0].get("id") or found[0].get("space_id"))

    def _end(self, why: str) -> None:
        """Nobody can go on: end the test with an exit code that says so."""
        self.environment.process_exit_code = 2
        print(f"✗ {why}")
        self.environment.runner.quit()
        raise StopUser

    def relay(self, prompt: str) -> dict[str, Any]:
        """Submit, and wait for the result: the site's answer. Counted as one ``RELAY``, a failure with its code."""
        began = time.perf_counter()
        failed: Exception | None = None
        body: dict[str, Any] = {}
        try:
            form = {"prompt": prompt, "wait": WAIT_S}
            body = self._ask("POST", f"/websockets/submit/{self.space_id}", "submit", form)
            while body.get("status") not in OVER and "code" not in body:
                path = f"/websockets/status?request_id={quote(body['request_id'])}&wait={WAIT_S}"
                body = self._ask("GET", path, "status")
            if body.get("status") != "completed":
                failed = RelayFailed(str(body.get("code") or body.get("status")))
        except (ValueError, KeyError) as error:
            failed = error
        self.environment.events.request.fire(
            request_type="RELAY",
            name="submit to result",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=0,
            exception=failed,
            context={},
        )
        return body

    def _ask(self, method: str, path: str, name: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Cookie": self.cookie, "Accept": "application/json"}
        if self.environment.parsed_options.safe:
            headers["X-Load-Test"] = "true"
        with self.client.request(method, path, name=name, data=form, headers=headers, catch_response=True) as answer:
            body: dict[str, Any] = answer.json()
            if answer.status_code != 200:
                answer.failure(str(body.get("code")))
            return body


class Visitor(RelayUser):
    """One who submits the same prompt again and again."""

    @task
    def submit(self) -> None:
        """One prompt."""
        self.relay(self.environment.parsed_options.prompt)
