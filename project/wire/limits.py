"""Numbers both ends of the protocol agree on. Seconds and bytes; sizes are of the JSON text."""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = 2
MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Largest message a worker may send; larger results travel as files over HTTP."""
MAX_CAPACITY: Final = 1024
V1_WINDOW: Final = 2
"""How many requests a version 1 worker is given at once: one to run, one at hand."""
MAX_DEPTH: Final = 32
MAX_NAME_CHARS: Final = 200
MAX_TEXT_CHARS: Final = 200_000
LIVE_TEXT_CHARS: Final = 200_000
"""Of an attempt's live text no more is kept; the result has to have the whole."""
SAFE_INTEGER: Final = 2**53 - 1
FAILURES: Final = ("handler_crashed", "transfer_failed")
"""Why a worker may say that a request failed, where its model cannot be blamed."""
