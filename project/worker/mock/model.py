"""The mock's handler: takes its time, reports progress, and answers with the testing guide's result shape."""

from __future__ import annotations

import random
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from project.worker.job import InputFile, Job, Result
from project.worker.mock.media import draw, speak, wav_seconds

MODEL: Final = "mock-model-v1"
STEPS: Final = (0.25, 0.5, 0.75, 1.0)
DRAW: Final = re.compile(r"\b(draw|picture|image)\b|画", re.IGNORECASE)
WAV: Final = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
SOUND: Final = re.compile(r"\b(say|speak|sing|sound)\b|唱", re.IGNORECASE)


class PretendedFailure(Exception):
    """The mock was asked to fail now and then (``--fail-rate``)."""


@dataclass
class MockModel:
    """Seconds of pretended work are drawn between ``min_s`` and ``max_s``; ``fail_rate`` is a share from 0 to 1."""

    min_s: float = 1.0
    max_s: float = 5.0
    fail_rate: float = 0.0
    seed: int | None = None
    _random: random.Random = field(init=False)
    _folder: tempfile.TemporaryDirectory[str] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        # Removed when the process ends; a file of one request is replaced by the next one's.
        self._folder = tempfile.TemporaryDirectory(prefix="mock-")

    def __call__(self, job: Job) -> Result:
        """Handle one request."""
        began = time.monotonic()
        work_s = self._random.uniform(self.min_s, self.max_s)
        for step in STEPS:
            if work_s:
                job.sleep(work_s / len(STEPS))
                job.progress(step)
            if job.cancelled:
                return Result()
        if self._random.random() < self.fail_rate:
            raise PretendedFailure("the mock was asked to fail now and then")
        return Result(self._values(job, time.monotonic() - began), self._outputs(job))

    def _values(self, job: Job, run_s: float) -> Mapping[str, Any]:
        values: dict[str, Any] = {
            "text_output": _text(job),
            "confidence": round(self._random.uniform(0.8, 0.99), 3),
            "model_used": MODEL,
            "processing_time_seconds": round(run_s, 2),
            "tokens_used": len(job.prompt.split()) + 40,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if job.files:
            values["files_processed"] = [_processed(file) for file in job.files]
        if job.audio_url:
            values["audio_url"] = job.audio_url
        return values

    def _outputs(self, job: Job) -> list[Path]:
        outputs = []
        for wanted, name, make in ((DRAW, "picture.png", draw), (SOUND, "sound.wav", speak)):
            if wanted.search(job.prompt):
                path = Path(self._folder.name) / name
                make(path, job.prompt)
                outputs.append(path)
        return outputs


def _text(job: Job) -> str:
    asked = job.prompt.strip() or "(no prompt)"
    lines = [f"This is a mock answer to: {asked}"]
    if "poem" in asked.casefold():
        subject = asked.rstrip(".!?").rsplit(" ", 1)[-1]
        lines += [
            "",
            f"No model sat down to think of {subject},",
            "a mock wrote this, a line or two;",
            f"yet all the way it came to {subject}",
            "and all the way back it came to you.",
        ]
    lines += [f"Received {file.name} ({file.size_bytes} bytes)." for file in job.files]
    return "\n".join(lines)


def _processed(file: InputFile) -> dict[str, Any]:
    told: dict[str, Any] = {
        "field": file.field,
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size_bytes,
        "sha256": file.sha256,
        "verified": file.path is not None,
    }
    seconds = wav_seconds(file.path) if file.path is not None and file.content_type in WAV else None
    if seconds is not None:
        told["duration_seconds"] = seconds
    return told
