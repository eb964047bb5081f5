"""Row 13, and faults 21 and 22: what a connection may send, in every async mode, before and after it has registered."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import socketio

from tests.conftest import LiveSite, one_of_trials
from tests.security.raw import MB, RawWebSocket, connect, growth_of, status

pytestmark = pytest.mark.slow
BOMB_MB = 60


@pytest.fixture(scope="module", params=["eventlet", "gevent", "threading"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    environment = {"SPACES_ASYNC_MODE": request.param, "SPACES_REGISTER_S": "3", "SPACES_WORKER_MESSAGES_PER_S": "200"}
    live = LiveSite(tmp_path_factory.mktemp("site"), environment)
    try:
        live.start()
        live.make_space("Gate")
        yield live
    finally:
        live.end()


def answers(site: LiveSite) -> bool:
    return requests.get(f"{site.host}/healthz", timeout=60).status_code == 200


@one_of_trials
def test_message_in_endless_frames_is_cut(site: LiveSite) -> None:
    attacker = RawWebSocket(site)
    piece = b"x" * (MB // 2)
    with growth_of(site) as gained:
        with suppress(ConnectionError, TimeoutError):
            attacker.frame(b"4", opcode=1, fin=False)
            for _ in range(BOMB_MB * 2):
                attacker.frame(piece, opcode=0, fin=False)
            raise AssertionError("nobody objected")
        assert attacker.is_cut()
    assert gained[0] < 20 * MB
    assert answers(site)


@one_of_trials
def test_message_in_tiny_frames_takes_no_more_memory_than_its_bytes(site: LiveSite) -> None:
    attacker = RawWebSocket(site)
    many = (b"\x00\x81\0\0\0\0x") * 20_000
    with growth_of(site) as gained:
        with suppress(ConnectionError, TimeoutError):
            attacker.frame(b"4", opcode=1, fin=False)
            for _ in range(5):
                attacker.socket.sendall(many)
        attacker.socket.close()
    assert gained[0] < 20 * MB


@one_of_trials
def test_nothing_is_compressed_so_nothing_can_explode(site: LiveSite) -> None:
    attacker = RawWebSocket(site, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert attacker.status == 101
    assert "permessage-deflate" not in attacker.head.lower()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(b"0" * (BOMB_MB * MB)) + packer.flush(zlib.Z_SYNC_FLUSH)
    with growth_of(site) as gained:
        with suppress(ConnectionError):
            attacker.frame(bomb[:-4], flags=0x40)
        assert attacker.is_cut()
    assert gained[0] < 20 * MB
    assert answers(site)


@pytest.mark.parametrize(
    "packet",
    [
        "4" + "2" + "[" * 100_000,
        '42{"not":"a list"}',
        "42[]",
        '42[["a list"]]',
        '42["connect",{"REMOTE_ADDR":"127.0.0.1"}]',
        '42["disconnect"]',
        '451-["register",{"_placeholder":true,"num":0}]',
        "42[nonsense",
        "4",
        "49",
        "44{}",
        "x",
        "",
        "4[[[[" + "[" * 100_000,
        "2" + "[" * 100_000,
    ],
)
def test_packet_that_is_none_ends_its_connection_and_nothing_else(site: LiveSite, packet: str) -> None:
    attacker = RawWebSocket(site)
    attacker.join()
    attacker.frame(packet.encode())
    assert attacker.is_cut()
    assert answers(site)
    log = (site.data_dir / "error.log").read_text()
    assert "Traceback" not in log
    assert "[[[[" not in log


def test_binary_message_is_cut(site: LiveSite) -> None:
    attacker = RawWebSocket(site)
    attacker.join()
    attacker.frame(b"\x00\x01", opcode=2)
    assert attacker.is_cut()


def test_stranger_is_not_listened_to_for_long(site: LiveSite) -> None:
    stranger = RawWebSocket(site)
    stranger.join()
    with suppress(ConnectionError):
        for _ in range(50):
            stranger.frame(b'42["heartbeat",{}]')
    assert stranger.is_cut()


@one_of_trials
def test_connection_that_does_not_register_is_closed(site: LiveSite) -> None:
    silent, joined = RawWebSocket(site), RawWebSocket(site)
    joined.join()
    began = time.monotonic()
    for waiting in (silent, joined):
        while (text := waiting.receive()) is not None:
            if text == "2":
                waiting.frame(b"3")
    assert time.monotonic() - began < 10


@one_of_trials
def test_flood_of_a_worker_is_heard_slowly_and_nobody_else_waits(site: LiveSite) -> None:
    worker = socketio.Client(reconnection=False)
    worker.connect(site.host, transports=["websocket"])
    assert worker.call("register", {"space_name": "Gate"}, timeout=60) == {"ok": True}
    try:
        began = time.monotonic()
        for _ in range(1000):
            worker.emit("nonsense", {})
        worst_s = 0.0
        for _ in range(10):
            asked = time.monotonic()
            assert answers(site)
            worst_s = max(worst_s, time.monotonic() - asked)
        assert worker.call("heartbeat", {"in_flight": []}, timeout=60)
        # 200 a second after the first 400: the last is not heard before three seconds are over.
        assert time.monotonic() - began > 2.5
        assert worst_s < 2.0
    finally:
        worker.disconnect()


def test_message_over_the_protocols_limit_is_answered_not_cut(site: LiveSite) -> None:
    worker = socketio.Client(reconnection=False)
    worker.connect(site.host, transports=["websocket"])
    assert worker.call("register", {"space_name": "Gate"}, timeout=60) == {"ok": True}
    large = {"request_id": "0" * 32, "status": "completed", "result": {"text_output": "x" * 600_000}}
    answer = worker.call("inference_result", large, timeout=60)
    assert answer["code"] == "message_too_large"
    many_keys = {"request_id": "0" * 32, "status": "completed", "result": {str(n): n for n in range(50_000)}}
    assert worker.call("inference_result", many_keys, timeout=60)["code"] == "message_too_large"
    assert worker.connected
    worker.disconnect()


@pytest.mark.parametrize(
    "path",
    [
        "/socket.io/",
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=4&transport=polling&j=0",
        "/socket.io/?EIO=4&transport=websocket",
        "/socket.io",
        "/socket.io/socket.io.js",
    ],
)
def test_nothing_but_a_websocket_is_behind_its_address(site: LiveSite, path: str) -> None:
    answer = requests.get(site.host + path)
    assert answer.status_code == 404
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "___eio" not in answer.text
    assert requests.post(site.host + path, data="4").status_code in (403, 404)


def test_handshake_without_a_key_or_on_another_address(site: LiveSite) -> None:
    assert RawWebSocket(site, path="/healthz").status == 400
    bare = connect(site)
    bare.sendall(
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
    )
    assert status(bare) == 404
    assert answers(site)


def test_log_keeps_no_message(site: LiveSite) -> None:
    """What was sent to be refused is not written down."""
    log = Path(site.data_dir / "error.log").read_text()
    assert "REMOTE_ADDR" not in log
    assert json.dumps("x" * 100) not in log
