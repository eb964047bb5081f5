"""Two runs side by side: the same build is not flagged, a slowdown of a tenth is, and what is not sure is called so."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from project.load.core.comparing import compare
from project.load.core.record import RunRecord
from project.load.core.recorder import Recorder
from project.load.errors import BadUsage
from tests.load.test_core import record_of, run_of


class TestComparison:
    """Latencies whose seconds resemble each other, as real ones do: a wave and noise."""

    @staticmethod
    def run(seed: int, slower: float = 1.0) -> RunRecord:
        chance = random.Random(seed)

        def latency(number: int) -> int:
            wave = 1 + 0.1 * math.sin(number / 400 + seed)
            return int(20_000 * slower * wave * chance.lognormvariate(0, 0.3))

        return run_of(latency, seconds=60, name=f"run {seed}")

    @pytest.mark.parametrize("seed", range(1, 9))
    def test_two_runs_of_the_same_build_are_not_flagged(self, seed: int) -> None:
        effects = compare(self.run(seed), self.run(seed + 100))
        assert [effect.text for effect in effects if effect.change in ("worse", "better")] == []

    @pytest.mark.parametrize("seed", range(1, 9))
    def test_a_slowdown_of_a_tenth_is_found_and_measured(self, seed: int) -> None:
        effects = {effect.metric: effect for effect in compare(self.run(seed), self.run(seed + 100, 1.1))}
        assert effects["mean_ms"].change == "worse", effects["mean_ms"].text
        assert effects["mean_ms"].low <= 1.1 <= effects["mean_ms"].high
        back = {effect.metric: effect for effect in compare(self.run(seed + 100, 1.1), self.run(seed))}
        assert back["mean_ms"].change == "better"

    @staticmethod
    def seconds(means_ms: list[float]) -> RunRecord:
        """A run whose seconds were like that, their mean and their 95th percentile alike."""
        record = run_of(lambda number: 1000, rate=5, seconds=len(means_ms))
        pairs = zip(record.series, means_ms, strict=True)
        record.series = [replace(point, mean_ms=mean, p95_ms=mean) for point, mean in pairs]
        return record

    @pytest.mark.parametrize(
        ("of_b", "spread", "bounds", "mean", "p95"),
        [
            (107, 1, (1.06, 1.08), "worse", "worse"),
            (107, 14, (1.02, 1.05), "worse", "unclear"),  # a high percentile must keep away by all of the least effect
            (107, 29, (1.0, 1.0125), "unclear", "unclear"),  # "more than nothing" alone flags any two runs
            (103, 1, (1.02, 1.04), "same", "same"),
        ],
    )
    def test_an_effect_counts_when_it_is_large_and_sure(
        self, of_b: float, spread: float, bounds: tuple[float, float], mean: str, p95: str
    ) -> None:
        chance = random.Random(7)
        noise = [chance.gauss(0, spread) for _ in range(62)]
        middle = sum(noise[1:-1]) / 60
        a, b = self.seconds([100.0] * 62), self.seconds([of_b + value - middle for value in noise])
        effects = {effect.metric: effect for effect in compare(a, b)}
        assert effects["mean_ms"].ratio == pytest.approx(of_b / 100)
        assert bounds[0] < effects["mean_ms"].low < bounds[1]
        assert (effects["mean_ms"].change, effects["p95_ms"].change) == (mean, p95)

    def test_seconds_that_resemble_their_neighbours_are_less_evidence(self) -> None:
        steady, waves = self.seconds([100.0] * 62), [100.0 + 20 * math.sin(second / 4) for second in range(62)]
        shuffled = waves[:1] + random.Random(1).sample(waves[1:-1], 60) + waves[-1:]
        widths = []
        for values in (waves, shuffled):
            (effect,) = (item for item in compare(steady, self.seconds(values)) if item.metric == "mean_ms")
            widths.append(effect.high - effect.low)
        assert widths[0] > 1.4 * widths[1]

    def test_the_first_and_the_last_second_are_seldom_whole(self) -> None:
        effects = compare(self.seconds([100.0] * 30), self.seconds([900.0] + [100.0] * 28 + [900.0]))
        assert {effect.metric: effect.change for effect in effects}["mean_ms"] == "same"

    def test_more_errors_and_less_throughput_are_worse(self) -> None:
        good, bad = self.run(1), self.run(2)
        bad.counts = replace(bad.counts, failed=300, succeeded=bad.counts.done - 300)
        assert {e.metric: e.change for e in compare(good, bad)}["error_share"] == "worse"
        slow = run_of(lambda number: 20_000, rate=30, seconds=60)
        assert {e.metric: e.change for e in compare(good, slow)}["rate"] == "worse"

    def test_seconds_in_which_nothing_ended_lower_the_rate_and_those_after_the_end_do_not(self) -> None:
        whole, kept = run_of(lambda number: 10_000, seconds=60), Recorder(0)
        for number in range(50 * 60):
            start = number * 20_000
            if start // 1_000_000 % 12 >= 3:  # a server that stands still for three seconds of every twelve
                kept.ended(start, start, start + 10_000)
        held = record_of(kept, 60)
        assert sum(not point.ended for point in held.series) == 15
        assert {e.metric: e.change for e in compare(whole, held)}["rate"] == "worse"
        # Ten seconds more, in which a last answer is waited for in vain.
        waited = run_of(lambda number: 10_000, seconds=60)
        waited.series += [replace(waited.series[-1], at_s=60.0 + at, succeeded=0, timed=0) for at in range(10)]
        assert {e.metric: e.change for e in compare(whole, waited)}["rate"] == "same"

    @staticmethod
    def searched(rate: float, at_most: float | str, mean_ms: int) -> RunRecord:
        record = run_of(lambda number: mean_ms * 1000)
        record.scenario, record.findings = "capacity", {"capacity": {"rate": rate, "at_most": at_most}}
        return record

    @pytest.mark.parametrize(
        ("b", "change"),
        [
            ((200.0, 206.0), "same"),
            ((195.0, 202.0), "same"),
            ((180.0, 187.0), "worse"),
            ((240.0, "not found"), "better"),
            ((185.0, 260.0), "unclear"),
        ],
    )
    def test_of_capacities_what_was_found_is_compared_and_not_the_trials(
        self, b: tuple[float, float | str], change: str
    ) -> None:
        effects = compare(self.searched(200.0, 206.0, 10), self.searched(*b, 900))
        assert [(effect.metric, effect.change) for effect in effects] == [("capacity", change)]

    def test_nothing_is_compared_with_a_capacity_of_nothing(self) -> None:
        with pytest.raises(BadUsage, match="no capacity"):
            compare(self.searched(0.0, 2.0, 10), self.searched(200.0, 206.0, 10))

    def test_too_little_to_compare_is_refused(self) -> None:
        with pytest.raises(BadUsage, match="at least 5"):
            compare(run_of(lambda number: 1, seconds=3), self.run(1))
