"""The record of one run: everything that reports, comparisons, merges and the console read.

Units: times in histograms are µs, in series and summaries ms; durations s; rates per second; shares 0-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from project.load.core.histogram import Histogram
from project.load.errors import BadUsage

FORMAT: Final = 1
RESPONSE: Final = "response"
"""From the moment a call was meant to start until its answer or its failure: what a user feels.

Calls that were never sent, because there was no connection to send them on, failed, but have no time.
"""
SERVICE: Final = "service"
"""From the moment it really was sent until its answer: what the target took."""
CONNECT: Final = "connect"
LAG: Final = "schedule_lag"
"""From the moment a call was meant to start until it was sent: the generator's own lateness."""
LOOP: Final = "loop_lag"
STAGES: Final = ("queue", "dispatch", "run", "return", "overhead")
"""Of the relay, from the site's own times; ``overhead`` is the whole less the worker's known work."""


@dataclass(slots=True)
class Counts:
    """What was counted. Messages are known by their correlation ids."""

    planned: int = 0
    """Calls whose time had come."""
    done: int = 0
    """Calls that ended, one way or the other."""
    succeeded: int = 0
    failed: int = 0
    unfinished: int = 0
    """Still under way when the run was broken off; or, as failures, when a trial's time for waiting was over."""
    never_started: int = 0
    """Calls whose time had come, but the generator was too slow to start them: no fault of the target's."""
    sent: int = 0
    received: int = 0
    lost: int = 0
    """Sent, and not answered in time, nor later."""
    late: int = 0
    """Answered after the timeout; the call had failed by then."""
    duplicated: int = 0
    out_of_order: int = 0
    unknown: int = 0
    """Received without being an answer to anything: pushes, other people's messages."""
    bytes_sent: int = 0
    bytes_received: int = 0
    connections_opened: int = 0
    connections_failed: int = 0
    connections_lost: int = 0
    reconnections: int = 0

    def copy(self) -> Counts:
        """The same counts, which no longer change."""
        return replace(self)

    def add(self, other: Counts) -> None:
        """Add another's counts to one's own."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


@dataclass(frozen=True, slots=True)
class Point:
    """One interval of the series, by the time calls ended. ``at_s`` is its start, from the start of the run."""

    at_s: float
    length_s: float
    users: int
    sent: int
    received: int
    succeeded: int
    failed: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    service_p50_ms: float
    service_mean_ms: float
    bytes_sent: int
    bytes_received: int
    timed: int
    """Calls that ended and have a time: all but those that were never sent. Means and percentiles are of these."""

    @property
    def ended(self) -> int:
        """Calls that ended, one way or the other."""
        return self.succeeded + self.failed

    @property
    def rate(self) -> float:
        """Calls that ended, per second."""
        return self.ended / self.length_s if self.length_s else 0.0


@dataclass(frozen=True, slots=True)
class OwnCost:
    """What the generator itself used: judged by ``validity``."""

    cpu_share: float = 0.0
    """Of one core, mean over the run."""
    cpu_share_peak: float = 0.0
    """The worst second's."""
    rss_bytes_peak: int = 0
    fds_peak: int = 0
    fds_limit: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that was judged: of a threshold profile, or of validity."""

    metric: str
    level: str
    value: float
    limit: float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst level of its findings: ``good``, ``warning`` or ``critical``; ``none`` where nothing was judged."""

    level: str = "none"
    profile: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether the figures say something about the target, or about the generator."""

    valid: bool = True
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class RunRecord:
    """One run. ``outcome``: ``finished``, ``interrupted``, ``terminated``, ``target_lost``."""

    name: str
    scenario: str
    kind: str
    """Of the target: ``websocket``, ``socketio``, ``relay``, ``http``."""
    url: str
    config: dict[str, Any]
    seed: int
    started_at: str
    """ISO 8601, UTC."""
    duration_s: float = 0.0
    """Of the driving; calls that were under way at its end may have ended later, while they were waited for."""
    done_in_time: int = 0
    """Calls that ended within ``duration_s``."""
    in_flight_mean: float = 0.0
    """Calls under way, mean of ten looks a second."""
    outcome: str = "finished"
    counts: Counts = field(default_factory=Counts)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    series: list[Point] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    """How often each kind of failure was met: ``timeout``, ``http_503``, ``connection_refused`` ..."""
    endpoints: dict[str, dict[str, float]] = field(default_factory=dict)
    """``{"GET /docs": {calls, failed, mean_ms, p95_ms}}`` where a target has several."""
    own: OwnCost = field(default_factory=OwnCost)
    validity: Validity = field(default_factory=Validity)
    verdict: Verdict = field(default_factory=Verdict)
    events: list[dict[str, Any]] = field(default_factory=list)
    """What happened when: ``{at_s, what, ...}``; stages, storms, failovers, trials of a capacity search."""
    findings: dict[str, Any] = field(default_factory=dict)
    """What a scenario found: the breaking point, the capacity with its interval, the recovery time."""

    @property
    def rate(self) -> float:
        """Calls that ended, per second of the driving."""
        return self.done_in_time / self.duration_s if self.duration_s else 0.0

    @property
    def error_share(self) -> float:
        """Failed of ended calls (0-1)."""
        return self.counts.failed / self.counts.done if self.counts.done else 0.0

    def histogram(self, metric: str) -> Histogram:
        """The times of a metric; an empty histogram where none were taken."""
        return self.histograms.get(metric) or Histogram()

    def as_dict(self) -> dict[str, Any]:
        """JSON of the whole; histograms as encoded HDR."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain |= {
            "format": FORMAT,
            "counts": asdict(self.counts),
            "series": [asdict(point) for point in self.series],
            "histograms": {name: histogram.as_dict() for name, histogram in self.histograms.items()},
            "summaries": {name: histogram.summary() for name, histogram in self.histograms.items()},
            "own": asdict(self.own),
            "validity": asdict(self.validity),
            "verdict": asdict(self.verdict),
        }
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunRecord:
        """What ``as_dict`` wrote. Raises BadUsage when it is something else."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise BadUsage("not the record of a run (run.json of this version)")
        try:
            plain = {item.name: data[item.name] for item in fields(cls)}
            plain |= {
                "counts": Counts(**data["counts"]),
                "series": [_point(point) for point in data["series"]],
                "histograms": {name: Histogram.from_dict(item) for name, item in data["histograms"].items()},
                "own": OwnCost(**data["own"]),
                "validity": Validity(data["validity"]["valid"], _findings(data["validity"])),
                "verdict": Verdict(data["verdict"]["level"], data["verdict"]["profile"], _findings(data["verdict"])),
            }
            return cls(**plain)
        except (KeyError, TypeError, AttributeError) as error:
            raise BadUsage(f"the record of the run is damaged: {error}") from error


def _point(data: Mapping[str, Any]) -> Point:
    """Records of before calls without a time were told apart do not say how many have one: all."""
    return Point(**{"timed": data["succeeded"] + data["failed"], **data})


def _findings(data: Mapping[str, Any]) -> tuple[Finding, ...]:
    return tuple(Finding(**item) for item in data["findings"])
