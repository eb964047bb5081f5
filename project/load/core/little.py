"""Little's law: calls under way = calls per second x seconds each takes. A measurement that breaks it is wrong."""

from __future__ import annotations

from project.load.core.record import SERVICE, RunRecord


def little(record: RunRecord) -> dict[str, float]:
    """``in_flight`` as looked at, ``expected`` from rate and service time, and their ``ratio`` (1 when all is well)."""
    service = record.histogram(SERVICE)
    timed = service.count / record.counts.done if record.counts.done else 0.0  # what was never sent was never under way
    expected = record.rate * timed * service.mean_us / 1e6
    return {
        "in_flight": record.in_flight_mean,
        "expected": expected,
        "ratio": record.in_flight_mean / expected if expected else 0.0,
    }
