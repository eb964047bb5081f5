"""Row 6: what a page tells of a person, nobody else's cache keeps, and one's own asks before it is shown again."""

from __future__ import annotations

import pytest
import requests

from tests.conftest import LiveSite

pytestmark = pytest.mark.slow


def test_pages_are_private_and_asked_for_again(site: LiveSite) -> None:
    user = site.login("testuser", "testpass123")
    for path in ("/", "/requests", "/account/", "/inbox", "/no-such-page"):
        assert user.get(site.host + path, timeout=60).headers["Cache-Control"] in ("private, no-cache", "no-store")


def test_a_client_that_polls_is_told_how_to_connect(site: LiveSite) -> None:
    answer = requests.get(f"{site.host}/socket.io/?transport=polling&EIO=4", timeout=60)
    assert answer.status_code == 404
    assert "transports=['websocket']" in answer.json()["error"]


def test_a_query_without_end_is_refused_like_any_other(site: LiveSite) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}
    query = "&".join(f"a{n}=1" for n in range(50))
    assert requests.get(f"{site.host}/socket.io/?{query}", headers=headers, timeout=60).status_code in (400, 404)
