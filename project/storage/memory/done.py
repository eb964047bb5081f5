"""Answers of a store that never has to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from project.storage.port import Pending

T = TypeVar("T")


class Done(Generic[T]):
    """An answer that is there already."""

    def __init__(self, value: T):
        self._value = value

    def wait(self) -> T:
        """The answer."""
        return self._value

    def result(self) -> T:
        """The answer."""
        return self._value

    def on_done(self, listener: Callable[[Pending[T]], None]) -> None:
        """Call ``listener`` now."""
        listener(self)
