"""The rhythm of the connection: what the settings say is what the handshake announces and what happens."""

from __future__ import annotations

import json
import time

import pytest
import websocket

from tests.conftest import LiveSite, Process

pytestmark = pytest.mark.slow


def test_the_handshake_announces_the_settings_and_pings_come_so(own_site: LiveSite) -> None:
    own_site.environment |= {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "2"}
    own_site.start()
    address = f"ws://127.0.0.1:{own_site.port}/socket.io/?EIO=4&transport=websocket"
    client = websocket.create_connection(address, timeout=60)
    try:
        opening = json.loads(str(client.recv())[1:])
        assert (opening["pingInterval"], opening["pingTimeout"]) == (1000, 2000)
        client.send("40")
        assert str(client.recv()).startswith("40")
        began = time.monotonic()
        assert client.recv() == "2"
        assert time.monotonic() - began > 0.5, "no ping before its time"
        # Not answered: the site ends the connection by itself.
        assert ended(client)
    finally:
        client.close()


def ended(client: websocket.WebSocket) -> bool:
    """Wait until the other side has closed; a client that is left open times out."""
    try:
        while client.recv() != "":
            pass
    except websocket.WebSocketTimeoutException:
        return False
    except (websocket.WebSocketException, OSError):
        return True
    return True


@pytest.mark.parametrize("name", ["SPACES_PING_INTERVAL_S", "SPACES_PING_TIMEOUT_S"])
def test_a_site_does_not_start_with_half_seconds(own_site: LiveSite, name: str) -> None:
    process = Process("run.py", "--port", "0", environment={"SPACES_DATA_DIR": str(own_site.data_dir), name: "1.5"})
    try:
        assert process.wait() == 1
        assert f"ERROR {name}='1.5' is not a whole number" in process.output
    finally:
        process.end()
