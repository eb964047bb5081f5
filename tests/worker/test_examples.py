"""The examples run, and do what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ROOT, Process, eventually
from tests.worker.site import FakeSite

pytestmark = pytest.mark.slow
Run = Callable[[str], Process]


@pytest.fixture
def example(fake: FakeSite) -> Iterator[Run]:
    started: list[Process] = []

    def run(name: str) -> Process:
        process = Process(f"examples/{name}", fake.host, "Test", environment={"PYTHONPATH": str(ROOT)})
        started.append(process)
        eventually(lambda: fake.of("register"), what=f"{name} registered")
        return process

    yield run
    for process in started:
        process.end()


def test_example_upper(fake: FakeSite, example: Run) -> None:
    example("worker_upper.py")
    fake.give("r1", "loud")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"] == {"text_output": "LOUD"}


def test_example_stream(fake: FakeSite, example: Run) -> None:
    example("worker_stream.py")
    fake.give("r1", "one two three")
    eventually(lambda: "r1" in fake.results())
    assert [chunk["text"] for chunk in fake.of("inference_chunk")] == ["one ", "two ", "three "]
    assert fake.results()["r1"]["result"] == {"text_output": "one two three "}


def test_example_files(fake: FakeSite, example: Run) -> None:
    example("worker_files.py")
    fake.give("r1", files=[fake.offer("a.txt", b"hello")])
    eventually(lambda: "r1" in fake.results())
    [upload] = fake.uploads
    assert (upload.name, upload.content_type) == ("files.csv", "text/csv")
    assert b"a.txt,5," in upload.body


def test_example_async(fake: FakeSite, example: Run) -> None:
    example("worker_async.py")
    fake.give("r1", "one two three")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"] == {"text_output": "three two one "}
    assert len(fake.of("inference_chunk")) == 3


def test_example_process(fake: FakeSite, example: Run) -> None:
    example("worker_process.py")
    fake.give("r1", "10000")
    fake.give("r2", "many")
    eventually(lambda: len(fake.results()) == 2)
    assert fake.results()["r1"]["result"] == {"text_output": "There are 1229 primes below 10000."}
    assert fake.results()["r2"]["result"]["error"].startswith("ValueError: ")
