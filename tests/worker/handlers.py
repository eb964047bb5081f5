"""Handlers at the top level of a module, as another process needs them."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from project.worker import Job, Result


def upper(request: Job) -> dict[str, Any]:
    return {"text_output": request.prompt.upper(), "pid": os.getpid(), "user": request.username}


def pieces(request: Job) -> Iterator[Any]:
    for number, word in enumerate(request.prompt.split(), start=1):
        request.progress(number / 10, f"word {number}")
        yield f"{word} "
    output = request.folder / "words.txt"
    output.write_text(request.prompt)
    yield Result({"words": len(request.prompt.split())}, files=[output])


async def later(request: Job) -> str:
    await asyncio.sleep(0.01)
    return request.prompt.upper()


async def stream(request: Job) -> AsyncIterator[str]:
    for word in request.prompt.split():
        await asyncio.sleep(0.01)
        yield f"{word} "


def files(request: Job) -> Result:
    [file] = request.files
    assert file.path is not None
    output = request.folder / "copy.bin"
    output.write_bytes(file.path.read_bytes()[::-1])
    return Result({"text_output": f"{file.name} {request.folder}"}, files=[output])


def busy(request: Job) -> str:
    """Pure Python work without an end of its own, in one statement that holds the interpreter as long as it can."""
    deadline = time.monotonic() + float(request.prompt)
    text = b"x"
    while time.monotonic() < deadline:
        text = hashlib.sha256(text).digest()
    return "done"


def deaf(request: Job) -> str:
    """Starts a program and looks at nothing any more."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    Path(request.prompt).write_text(f"{os.getpid()} {program.pid}")
    while True:
        time.sleep(1)


def attentive(request: Job) -> str:
    while not request.wait_cancelled(0.02):
        request.progress(0.5, str(os.getpid()))
    Path(request.prompt).write_text("noticed")
    return "late"


def fatal(request: Job) -> dict[str, Any]:
    """Dies in the way the prompt says."""
    if request.prompt == "segfault":
        ctypes.string_at(0)
    if request.prompt == "exit":
        os._exit(7)
    if request.prompt == "kill":
        os.kill(os.getpid(), 9)
    if request.prompt == "raise":
        raise ValueError("out of memory")
    if request.prompt == "sys.exit":
        sys.exit(3)
    if request.prompt == "object":
        return {"x": object()}
    return upper(request)


def unloadable() -> None:
    """Not a handler, but what takes the place of one that cannot be imported: see ``Unloadable``."""
    raise RuntimeError("there is no such model")


class Unloadable:
    """A handler whose making fails in the other process."""

    def __reduce__(self) -> Any:
        return unloadable, ()

    def __call__(self, request: Job) -> str:
        return "never"
