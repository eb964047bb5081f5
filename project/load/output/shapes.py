"""The JSON shapes of a run that other programs read. Units: ``_ms`` ms, ``_s`` s, ``_bytes`` bytes.

The shape of HTTP services has times in seconds without saying so, and ``error_rate`` in per cent; the shape of
WebSockets has times in ms and ``success_rate`` from 0 to 1. Both are as their documents give them.
"""

from __future__ import annotations

from typing import Any

from project.load.core.record import CONNECT, RESPONSE, SERVICE, RunRecord


def service_shape(record: RunRecord) -> dict[str, Any]:
    """The metrics of a service test: times in seconds, ``error_rate`` in per cent."""
    times = record.histogram(RESPONSE)
    median, p95, p99 = times.percentiles_us((50, 95, 99))
    return {
        "total_requests": record.counts.done,
        "successful_requests": record.counts.succeeded,
        "failed_requests": record.counts.failed,
        "average_response_time": round(times.mean_us / 1e6, 6),
        "median_response_time": median / 1e6,
        "p95_response_time": p95 / 1e6,
        "p99_response_time": p99 / 1e6,
        "requests_per_second": round(record.rate, 3),
        "error_rate": round(100 * record.error_share, 4),
        "error_types": dict(record.errors),
    }


def websocket_shape(record: RunRecord) -> dict[str, Any]:
    """The metrics of a WebSocket test: times in ms, ``success_rate`` from 0 to 1."""
    counts, times = record.counts, record.histogram(RESPONSE)
    tried = counts.connections_opened + counts.connections_failed
    p50, p95, p99 = times.percentiles_us((50, 95, 99))
    length_s = record.duration_s or 1.0
    return {
        "connection_metrics": {
            "total_connections": tried,
            "successful_connections": counts.connections_opened,
            "failed_connections": counts.connections_failed,
            "success_rate": round(counts.connections_opened / tried, 6) if tried else 0.0,
        },
        "message_metrics": {
            "messages_sent": counts.sent,
            "messages_received": counts.received,
            "bytes_sent": counts.bytes_sent,
            "bytes_received": counts.bytes_received,
        },
        "latency_metrics": {
            "min_ms": times.lowest_us / 1000,
            "max_ms": times.highest_us / 1000,
            "avg_ms": round(times.mean_us / 1000, 3),
            "p50_ms": p50 / 1000,
            "p95_ms": p95 / 1000,
            "p99_ms": p99 / 1000,
        },
        "throughput_metrics": {
            "messages_per_second_sent": round(counts.sent / length_s, 3),
            "messages_per_second_received": round(counts.received / length_s, 3),
            "bytes_per_second_sent": round(counts.bytes_sent / length_s, 3),
            "bytes_per_second_received": round(counts.bytes_received / length_s, 3),
        },
    }


def metrics_shape(record: RunRecord) -> dict[str, Any]:
    """``metrics.json``: both shapes side by side, then what neither has."""
    counts = record.counts
    return {
        **service_shape(record),
        **websocket_shape(record),
        "accounting": {
            "lost": counts.lost,
            "late": counts.late,
            "duplicated": counts.duplicated,
            "out_of_order": counts.out_of_order,
            "unknown": counts.unknown,
            "unfinished": counts.unfinished,
        },
        "service_time": record.histogram(SERVICE).summary(),
        "connect_time": record.histogram(CONNECT).summary(),
        "endpoints": record.endpoints,
        "findings": record.findings,
        "verdict": record.verdict.level,
        "valid": record.validity.valid,
        "outcome": record.outcome,
        "duration_s": round(record.duration_s, 3),
    }
