"""A Locust user of the relay, for teams that drive load from many machines with Locust already.

    locust -f examples/locust_relay.py --host http://localhost:5001

The space, the login and how long a result is waited for come from ``SPACES_LOAD_SPACE`` (id or name),
``SPACES_LOAD_USERNAME``, ``SPACES_LOAD_PASSWORD`` and ``SPACES_LOAD_WAIT_S``. Locust is in the extra ``bench``.
"""

from __future__ import annotations

import os

from locust import FastHttpUser, between, task


class RelayUser(FastHttpUser):
    """Logs in, and submits one request after another, each to its result."""

    wait_time = between(0.5, 1.5)
    space_id = ""

    def on_start(self) -> None:
        """Log in and find the space."""
        form = {
            "username": os.environ.get("SPACES_LOAD_USERNAME", "testuser"),
            "password": os.environ.get("SPACES_LOAD_PASSWORD", "testpass123"),
        }
        with self.client.post("/login", data=form, allow_redirects=False, catch_response=True) as response:
            if response.status_code not in (302, 303):
                response.failure(f"the login was refused ({response.status_code})")
        wanted = os.environ.get("SPACES_LOAD_SPACE", "")
        spaces = self.client.get("/", headers={"Accept": "application/json"}).json()["spaces"]
        found = [space for space in spaces if wanted in (space["space_id"], space["name"])]
        if len(found) != 1:
            raise SystemExit(f"SPACES_LOAD_SPACE={wanted!r} names {len(found)} spaces")
        self.space_id = found[0]["space_id"]

    @task
    def submit(self) -> None:
        """Submit, and wait for the result."""
        form = {"prompt": "load", "wait": os.environ.get("SPACES_LOAD_WAIT_S", "30")}
        address = f"/websockets/submit/{self.space_id}"
        with self.client.post(address, data=form, name="submit to result", catch_response=True) as response:
            body = response.json() if response.status_code == 200 else {}
            if body.get("status") != "completed":
                response.failure(str(body.get("code") or body.get("status") or response.status_code))
