"""The answer of a store that is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """An answer that will be there when the commit is."""

    def wait(self) -> T_co:
        """Wait for it; raises what went wrong."""

    def result(self) -> T_co:
        """The answer of a pending that is done; raises what went wrong."""

    def on_done(self, listener: Callable[[Pending[T_co]], None]) -> None:
        """Call ``listener`` when it is there; it must not wait for anything."""
