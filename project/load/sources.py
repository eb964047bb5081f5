"""Where a run's messages come from: a generator by its word, or a file of messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from project.load.errors import BadUsage
from project.load.generators import GENERATORS, MessageGenerator, RealisticScenarioGenerator
from project.load.targets.messages import Source, fixed

MOST_MESSAGES: Final = 100_000


def source_of(
    word: str, seed: int, profiles: Callable[[], Sequence[str]], size_bytes: int = 0
) -> Callable[[int], Source]:
    """For the n-th user a source of messages: ``ping``, a generator's word, or a file of JSON objects, a line each.

    ``profiles`` gives the users' kinds where the scenario has different ones. Raises BadUsage.
    """
    if word in GENERATORS:
        GENERATORS[word](seed)  # what is loaded but once is loaded here, and not while the first call waits
    if word == "ping":
        return lambda number: fixed(size_bytes)
    if word == "realistic":
        return lambda number: _person(profiles(), number, seed).generate
    if word in GENERATORS:
        return lambda number: GENERATORS[word](_seed(seed, number)).generate
    messages = _read(Path(word))
    return lambda number: _turning(messages, number)


def _seed(seed: int, number: int) -> int:
    return seed * 1_000_003 + number


def _person(profiles: Sequence[str], number: int, seed: int) -> MessageGenerator:
    profile = profiles[number % len(profiles)] if profiles else "regular"
    return RealisticScenarioGenerator(profile, _seed(seed, number))


def _turning(messages: list[dict[str, Any]], number: int) -> Source:
    start = number % len(messages)
    turns = cycle(messages[start:] + messages[:start])
    return lambda: next(turns)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadUsage(f"{str(path)!r} is neither {', '.join(GENERATORS)} nor a file that can be read") from None
    messages = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise BadUsage(f"{path}, line {number}: not a JSON object")
        messages.append(message)
    if not 1 <= len(messages) <= MOST_MESSAGES:
        raise BadUsage(f"{path} must have 1 to {MOST_MESSAGES} messages, a line each")
    return messages
