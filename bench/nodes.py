"""``make bench-nodes``: from a submission at one node to its result there, with the worker on the other node.

Prints the median and the worst of ``--requests`` requests, one after another, with Redis and without; and, for
comparison, with the worker on the same node. Real processes, a real PostgreSQL, on loopback.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import LiveSite, Process, eventually  # noqa: E402
from tests.services import Postgres, Redis  # noqa: E402

SPACE = "Bench"


@contextmanager
def two_nodes(server: Postgres, **environment: str) -> Iterator[tuple[LiveSite, LiveSite, str]]:
    """Two nodes with a worker on the first, which answers at once."""
    with tempfile.TemporaryDirectory() as folder:
        shared = {"SPACES_DATABASE_URL": server.database(), **environment}
        first, second = (LiveSite(Path(folder) / "data", shared) for _ in range(2))
        worker = None
        try:
            first.start()
            second.start()
            space_id = first.make_space(SPACE)
            log = str(Path(folder) / "worker.log")
            worker = Process("-m", "tests.faults.worker", first.host, SPACE, log, "w", "0")
            eventually(lambda: second.connected(space_id), within_s=30)
            yield first, second, space_id
        finally:
            if worker is not None:
                worker.end()
            first.end()
            second.end()


def measure(site: LiveSite, space_id: str, count: int) -> list[float]:
    """Seconds from each submission to its result, waiting at the node it was sent to."""
    user = site.login("testuser", "testpass123")
    took = []
    for number in range(count):
        began = time.monotonic()
        answer = site.submit(user, space_id, prompt=f"hello {number}", wait="30")
        assert answer["status"] == "completed", answer
        took.append(time.monotonic() - began)
    return took


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40)
    count = parser.parse_args().requests
    server, bus = Postgres(), Redis()
    try:
        server.start()
        bus.start()
        for what, environment in (("with Redis", {"SPACES_REDIS_URL": bus.url}), ("without Redis", {})):
            with two_nodes(server, **environment) as (first, second, space_id):
                show(f"{what}, worker on the other node", measure(second, space_id, count))
                show(f"{what}, worker on the same node", measure(first, space_id, count))
    finally:
        bus.remove()
        server.remove()


def show(what: str, seconds: list[float]) -> None:
    """One line of figures."""
    median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
    print(f"  {what:<44}median {median:>7.0f} ms   worst {worst:>7.0f} ms", flush=True)


if __name__ == "__main__":
    main()
