"""The answer of an async model, as it comes: many requests at once on one event loop.

PYTHONPATH=. python examples/worker_async.py http://localhost:5001 "My space"
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from project.worker import Job, Worker


async def handler(request: Job) -> AsyncIterator[str]:
    """Say the prompt backwards; a real model would be awaited. A cancel ends it at the next await."""
    for word in reversed(request.prompt.split()):
        await asyncio.sleep(0.1)
        yield f"{word} "


if __name__ == "__main__":
    Worker(handler, host=sys.argv[1], space=sys.argv[2], concurrency=8).run()
