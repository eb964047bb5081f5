"""Files: inputs are checked before the handler sees them, outputs are at the site before the result is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from project.worker import Job, Result
from tests.conftest import eventually
from tests.worker.conftest import Serve
from tests.worker.site import FakeSite


def test_inputs_are_there_while_the_handler_runs_and_gone_afterwards(fake: FakeSite, serve: Serve) -> None:
    seen: list[Path] = []
    body = bytes(range(256)) * 4000

    def handler(request: Job) -> dict[str, object]:
        [file] = request.files
        assert file.path is not None
        seen.extend([file.path, request.folder])
        assert file.path.read_bytes() == body
        return {"told": [file.field, file.name, file.content_type, file.size_bytes, file.sha256, file.path.suffix]}

    serve(handler)
    fake.give("r1", files=[fake.offer("声音 / tone.wav", body, field="audio_file", kind="audio/wav")])
    eventually(lambda: "r1" in fake.results())
    digest = hashlib.sha256(body).hexdigest()
    assert fake.results()["r1"]["result"] == {
        "told": ["audio_file", "声音 / tone.wav", "audio/wav", len(body), digest, ".wav"]
    }
    assert [path for path in seen if path.parent.exists()] == []


@pytest.mark.parametrize("name", ["../../escape.txt", "/etc/passwd", "a\x00b", "x" * 300, "C:\\x.exe", ""])
def test_a_name_does_not_choose_the_place(fake: FakeSite, serve: Serve, name: str) -> None:
    places: list[Path] = []

    def handler(request: Job) -> str:
        places.extend(file.path for file in request.files if file.path)
        assert all(place.exists() for place in places)
        return "done"

    serve(handler)
    fake.give("r1", files=[fake.offer(name, b"one"), fake.offer(name, b"two")])
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "completed", fake.results()["r1"]
    assert len(set(places)) == 2
    assert len({place.parent for place in places}) == 1
    assert places[0].parent.parent.name.startswith("worker-")


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"size": 3}, {"size": 3000}])
def test_a_file_that_arrives_otherwise_fails_the_request_only(
    fake: FakeSite, serve: Serve, wrong: dict[str, object]
) -> None:
    ran: list[str] = []

    def handler(request: Job) -> str:
        ran.append(request.id)
        return "done"

    serve(handler)
    fake.give("r1", files=[{**fake.offer("note.txt", b"hello"), **wrong}])
    fake.give("r2", files=[fake.offer("note.txt", b"hello")])
    eventually(lambda: len(fake.results()) == 2)
    assert fake.results()["r1"]["status"] == "failed"
    assert "note.txt did not arrive as it was sent" in fake.results()["r1"]["result"]["error"]
    assert ran == ["r2"]


def test_a_file_that_is_not_there_fails_with_its_name(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "done")
    fake.give("r1", files=[{**fake.offer("note.txt", b"hello"), "url": "/files/gone"}])
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"]["error"].startswith("TransferFailed: note.txt: the site answered 404")


def test_outputs_arrive_before_the_result(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    picture, empty = tmp_path / "图 1.png", tmp_path / "empty.bin"
    picture.write_bytes(b"\x89PNG" * 100_000)
    empty.write_bytes(b"")
    there: list[int] = []

    def answer(_message: object) -> object:
        there.append(len(fake.uploads))
        return {"ok": True}

    fake.answers["inference_result"] = answer
    serve(lambda request: Result({"text_output": "see"}, files=[picture, str(empty)]))
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert there == [2]
    first, second = fake.uploads
    assert (first.name, first.content_type, first.lease) == ("%E5%9B%BE%201.png", "image/png", "r1-1")
    assert first.body == picture.read_bytes()
    assert first.sha256 == hashlib.sha256(first.body).hexdigest()
    assert (second.body, second.content_type) == (b"", "application/octet-stream")
    assert fake.results()["r1"]["result"] == {"text_output": "see"}


def test_a_site_in_trouble_gets_the_output_later(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text("precious")
    fake.upload_failures = ["503 Service Unavailable", "502 Bad Gateway"]
    serve(lambda request: Result(files=[output]))
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "completed"
    assert [upload.body for upload in fake.uploads] == [b"precious"]


def test_an_output_waits_for_a_site_that_is_not_there(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text("precious")

    def handler(request: Job) -> Result:
        fake.stop()
        return Result(files=[output])

    serve(handler)
    fake.give("r1")
    eventually(lambda: fake.disconnects, what="the site is gone")
    fake.start()
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "completed"
    assert [upload.body for upload in fake.uploads] == [b"precious"]


def test_a_worker_that_is_to_end_does_not_wait_for_ever(
    fake: FakeSite, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it cannot return is not its answer: the site gives the request out again."""
    monkeypatch.setattr("project.worker.worker.PARTING_S", 0.2)
    output = tmp_path / "out.txt"
    output.write_text("precious")

    def handler(request: Job) -> Result:
        fake.stop()
        return Result(files=[output])

    running = serve(handler, state_dir=tmp_path / "state")
    fake.give("r1")
    eventually(lambda: fake.disconnects, what="the site is gone")
    running.worker.stop(finish=True)
    assert running.ends(20) is None
    fake.start()
    assert list((tmp_path / "state" / "results").iterdir()) == []


def test_an_output_the_site_refuses_fails_the_request(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    output.write_text("x")
    fake.upload_failures = ["413 Too Large"]
    serve(lambda request: Result({"text_output": "x"}, files=[output]))
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "failed"
    assert "out.txt: the site answered 413" in fake.results()["r1"]["result"]["error"]


def test_an_output_that_does_not_exist_fails_the_request(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    serve(lambda request: Result(files=[tmp_path / "nowhere.txt"]))
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert "nowhere.txt" in fake.results()["r1"]["result"]["error"]
