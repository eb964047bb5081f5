"""An administrator and programs of his at a real site's console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite
from tests.pages.conftest import open_page, start_worker

__all__ = ["open_page", "start_worker"]


class Api:
    """The console's routes as a program uses them."""

    def __init__(self, site: LiveSite, session: requests.Session):
        self.site = site
        self.session = session

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.session.get(f"{self.site.host}/cfg/ipc/{path}", params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.session.post(f"{self.site.host}/cfg/ipc/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def delete(self, path: str, status: int = 200) -> Any:
        answer = self.session.delete(f"{self.site.host}/cfg/ipc/{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    def send(self, method: str, params: Any, status: int = 200, **more: Any) -> Any:
        return self.post("test/send", {"method": method, "params": params, **more}, status)


@pytest.fixture(scope="module")
def admin_session(site: LiveSite) -> requests.Session:
    """Logging in costs a password's hash: once for a module."""
    return site.login()


@pytest.fixture(scope="module")
def user_session(site: LiveSite) -> requests.Session:
    """The test user's."""
    return site.login("testuser", "testpass123")


@pytest.fixture
def api(site: LiveSite, admin_session: requests.Session) -> Iterator[Api]:
    """The administrator's console; a load run that a test left is stopped."""
    made = Api(site, admin_session)
    yield made
    made.post("test/load/stop", {})
