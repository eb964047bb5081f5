"""Heavy work in pure Python, in a process of its own: the worker answers the site meanwhile, and a cancel ends it.

PYTHONPATH=. python examples/worker_process.py http://localhost:5001 "My space"
"""

from __future__ import annotations

import sys
from itertools import takewhile
from math import isqrt

from project.worker import Job, Worker


def handler(request: Job) -> str:
    """Count the primes below the number in the prompt."""
    limit = int(request.prompt)
    primes: list[int] = []
    for number in range(2, limit):
        if number % 1000 == 0:
            request.progress(number / limit, f"{len(primes)} so far")
        small = takewhile(isqrt(number).__ge__, primes)
        if all(number % prime for prime in small):
            primes.append(number)
    return f"There are {len(primes)} primes below {limit}."


if __name__ == "__main__":
    Worker(handler, host=sys.argv[1], space=sys.argv[2], isolation="process").run()
