"""A worker whose answer grows on the page word by word, and which stops when nobody waits for it any more.

PYTHONPATH=. python examples/worker_stream.py http://localhost:5001 "My space"
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from project.worker import Job, Worker


def handler(request: Job) -> Iterator[str]:
    """Say the prompt again, a word at a time; a real model would yield its tokens."""
    words = request.prompt.split()
    for number, word in enumerate(words, start=1):
        request.sleep(0.1)
        request.progress(number / len(words), f"word {number} of {len(words)}")
        yield f"{word} "


if __name__ == "__main__":
    Worker(handler, host=sys.argv[1], space=sys.argv[2]).run()
