"""The handlers of “Put your model on a page” do what the page says, with small models in the place of yours."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import ROOT, eventually
from tests.worker.conftest import Serve
from tests.worker.site import FakeSite

PAGE = ROOT / "docs" / "how-to" / "put-your-model-on-a-page.md"


class Image:
    caption = "a cat"


def stream(prompt: str) -> Iterator[str]:
    yield from (f"{word} " for word in prompt.split())


async def later(prompt: str) -> AsyncIterator[str]:
    for word in prompt.split():
        yield f"{word} "


def amplify(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes() * 2)


YOURS: dict[str, Any] = {
    "model": SimpleNamespace(stream=stream),
    "client": SimpleNamespace(stream=later),
    "start": lambda prompt: Image(),
    "improve": lambda image: image,
    "amplify": amplify,
    "__name__": "yours",
}


def handler_below(words: str) -> Callable[[Any], Any]:
    """The handler that the page shows behind these words."""
    section = PAGE.read_text(encoding="utf-8").split(words)[1]
    sample = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert sample
    names = dict(YOURS)
    exec(sample[1], names)
    handler: Callable[[Any], Any] = names["handler"]
    return handler


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("## 3. Your model", "ONE TWO"),
        ("**It says one token after another.**", "one two "),
        ("**It is `async`.**", "one two "),
        ("**It takes its time.**", "a cat"),
    ],
)
def test_handlers(fake: FakeSite, serve: Serve, words: str, answer: str) -> None:
    serve(handler_below(words))
    fake.give("r1", "one two")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"] == {"text_output": answer}


def test_files(fake: FakeSite, serve: Serve) -> None:
    serve(handler_below("**It takes files and returns files.**"))
    fake.give("r1", files=[fake.offer("tone.wav", b"RIFF", field="audio_file")])
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"] == {"text_output": "tone.wav, louder"}
    assert [(upload.name, upload.body) for upload in fake.uploads] == [("louder.wav", b"RIFFRIFF")]
