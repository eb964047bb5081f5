"""Times in a histogram of bounded memory that merges: HDR, 1 µs to 1 h, three significant digits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hdrh.histogram import HdrHistogram

from project.load.errors import BadUsage

HIGHEST_US: Final = 3_600_000_000
DIGITS: Final = 3
_FOLD_AT: Final = 4096
_CELL_BITS: Final = 11
"""2^11 is the first power of two above 2 x 10^3, for three digits."""


class Histogram:
    """Times in µs. ``record`` only appends; the buffer is folded when it is full or somebody reads."""

    __slots__ = ("_hdr", "_highest_us", "_lowest_us", "_overflowed", "_pending", "_total_us")

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, HIGHEST_US, DIGITS)
        self._pending: list[int] = []
        self._total_us = 0
        self._lowest_us: int | None = None
        self._highest_us = 0
        self._overflowed = 0

    def record(self, value_us: int) -> None:
        """Take one time."""
        self._pending.append(value_us)
        if len(self._pending) >= _FOLD_AT:
            self._fold()

    def record_counts(self, counts: Mapping[int, int]) -> None:
        """Take times that were counted already: ``{µs: how often}``.

        Written into the cells of the library's histogram, whose own way takes four times as long: the run stands still
        meanwhile, every second, and its calls are late for it.
        """
        if not counts:
            return
        cells = self._hdr.counts
        taken = total_us = 0
        for value_us, count in counts.items():
            value = value_us
            if not 0 <= value <= HIGHEST_US:
                self._overflowed += count if value > 0 else 0
                value = HIGHEST_US if value > 0 else 0
            # Above 2^11 µs every doubling has 2^10 cells, each as wide as what the bits above the eleventh tell.
            shift = max(0, value.bit_length() - _CELL_BITS)
            cells[(shift << _CELL_BITS - 1) + (value >> shift)] += count
            taken += count
            total_us += value * count
        self._total_us += total_us
        self._hdr.total_count += taken
        self._bounded(max(0, min(min(counts), HIGHEST_US)), max(0, min(max(counts), HIGHEST_US)))

    def _bounded(self, lowest_us: int, highest_us: int) -> None:
        """Widen the bounds, the library's too: it adds and encodes by them."""
        self._lowest_us = lowest_us if self._lowest_us is None else min(self._lowest_us, lowest_us)
        self._highest_us = max(self._highest_us, highest_us)
        self._hdr.min_value = min(self._hdr.min_value, lowest_us)
        self._hdr.max_value = max(self._hdr.max_value, highest_us)

    def _fold(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self.record_counts(Counter(pending))

    def merge(self, other: Histogram) -> None:
        """Add another's times to one's own."""
        self._fold()
        other._fold()
        if not other.count:
            return
        self._hdr.add(other._hdr)
        self._total_us += other._total_us
        self._lowest_us = other.lowest_us if self._lowest_us is None else min(self._lowest_us, other.lowest_us)
        self._highest_us = max(self._highest_us, other._highest_us)
        self._overflowed += other._overflowed

    @property
    def count(self) -> int:
        """How many times were taken."""
        self._fold()
        return int(self._hdr.total_count)

    @property
    def overflowed(self) -> int:
        """Times over an hour; they count as an hour."""
        self._fold()
        return self._overflowed

    @property
    def lowest_us(self) -> int:
        """The least time (µs), exactly; 0 without any."""
        self._fold()
        return self._lowest_us or 0

    @property
    def highest_us(self) -> int:
        """The greatest time (µs), exactly; 0 without any."""
        self._fold()
        return self._highest_us

    @property
    def mean_us(self) -> float:
        """The mean (µs), exactly; 0 without any."""
        self._fold()
        return self._total_us / self._hdr.total_count if self._hdr.total_count else 0.0

    def percentile_us(self, percent: float) -> int:
        """The least time (µs, within 0.1 %) that ``percent`` of all do not exceed; 0 without any."""
        return self.percentiles_us((percent,))[0]

    def percentiles_us(self, percents: Iterable[float]) -> list[int]:
        """Several percentiles (µs) in one pass."""
        total = self.count
        if not total:
            return [0 for _ in percents]
        # The library rounds places to the nearest: asked for the very place, it has nothing to round.
        places = [100 * place_of(percent, total) / total for percent in percents]
        found = self._hdr.get_percentile_to_value_dict(places)
        return [min(int(found[place]), self._highest_us) for place in places]

    def share_above(self, limit_us: int) -> float:
        """The share (0-1) of times over a limit (µs)."""
        above = sum(count for value_us, count in self.buckets() if value_us > limit_us)
        return above / self.count if self.count else 0.0

    def buckets(self) -> list[tuple[int, int]]:
        """Each recorded time (µs, the upper end of its bucket) with its count, ascending."""
        self._fold()
        hdr = self._hdr
        return [
            (hdr.get_highest_equivalent_value(item.value_iterated_to), item.count_at_value_iterated_to)
            for item in hdr.get_recorded_iterator()
        ]

    def summary(self) -> dict[str, float | int]:
        """Count, and in ms: min, mean, p50, p90, p95, p99, p99.9, max."""
        percents = (50.0, 90.0, 95.0, 99.0, 99.9)
        cuts = self.percentiles_us(percents)
        named = {f"p{percent:g}_ms": cut / 1000 for percent, cut in zip(percents, cuts, strict=True)}
        return {
            "count": self.count,
            "min_ms": self.lowest_us / 1000,
            "mean_ms": self.mean_us / 1000,
            **named,
            "max_ms": self.highest_us / 1000,
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON that ``from_dict`` reads back without loss."""
        self._fold()
        return {
            "hdr": self._hdr.encode().decode("ascii"),
            "total_us": self._total_us,
            "lowest_us": self._lowest_us,
            "highest_us": self._highest_us,
            "overflowed": self._overflowed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Histogram:
        """What ``as_dict`` wrote. Raises BadUsage when it is something else."""
        histogram = cls()
        try:
            if int(data["total_us"]) or data["lowest_us"] is not None:
                histogram._hdr.decode_and_add(data["hdr"])
            histogram._total_us = int(data["total_us"])
            histogram._lowest_us = None if data["lowest_us"] is None else int(data["lowest_us"])
            histogram._highest_us = int(data["highest_us"])
            histogram._overflowed = int(data["overflowed"])
        except Exception as error:  # the library raises its own, zlib's and binascii's kinds alike
            raise BadUsage(f"not a histogram of a run: {error}") from error
        return histogram


def place_of(percent: float, total: int) -> int:
    """The place (from 1) of a percentile among ``total`` times in ascending order: the nearest rank, rounded up.

    Rounded down, a percentile of few would be one that more exceed than it says.
    """
    return max(1, math.ceil(round(percent * total / 100, 6)))


def percentile_of_counts(counts: Mapping[int, int], percents: Iterable[float]) -> list[int]:
    """Percentiles of ``{value: how often}``, by the same rule as the histogram's; zeros without any."""
    wanted = list(percents)
    total = sum(counts.values())
    if not total:
        return [0] * len(wanted)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    cuts = [0] * len(wanted)
    seen = 0
    place = 0
    for value in sorted(counts):
        seen += counts[value]
        while place < len(order) and seen >= place_of(wanted[order[place]], total):
            cuts[order[place]] = value
            place += 1
    return cuts
