"""The least worker there is: it answers in capitals.

PYTHONPATH=. python examples/worker_upper.py http://localhost:5001 "My space"
"""

from __future__ import annotations

import sys

from project.worker import Job, Worker


def handler(request: Job) -> str:
    """Answer one request."""
    return request.prompt.upper()


if __name__ == "__main__":
    Worker(handler, host=sys.argv[1], space=sys.argv[2]).run()
