"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_RETRY_S = 0.2
MOST_RETRY_S = 15.0


def retries() -> Iterator[float]:
    """Seconds to wait before each next try: growing, with jitter, so that many workers do not come back at once."""
    delay_s = FIRST_RETRY_S
    while True:
        yield min(MOST_RETRY_S, delay_s * random.uniform(0.5, 1.5))
        delay_s = min(MOST_RETRY_S, delay_s * 2)
