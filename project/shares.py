"""A fair share of the loop: whoever asks for much waits for those who ask for little, never the other way round.

One thread runs everybody's work, bit by bit. What is counted is the processor's time of those bits, by whose they are.
In each round of the loop everybody may use a little; whoever used more sits out as many rounds. With nobody else there,
rounds pass at once and give more, and nothing is lost. And only so many requests of one are under way at a time.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from project.errors import TooManyAtOnce
from project.runtime import Event, Runtime, current_bit

ROUND_S: Final = 0.002
"""What one may use of a round; most bits are shorter."""
ALONE_S: Final = 0.01
"""What one may use of a round in which nobody else is there: whoever comes waits for it once."""
STAYS_S: Final = 1.0
"""For so long somebody is there who had a request under way: what they wait for comes by ways that nobody counts."""
MOST_DEBT_S: Final = 0.25
MOST_THREADS: Final = 2
"""Bits of one that may be begun at the same time, where there are threads."""
MOST_INSIDE: Final = 32
"""Requests of one that are under way: those that are written share a commit, those that read stand in one line."""
MOST_WAITING: Final = 250
MOST_WAIT_S: Final = 20.0
MOST_KEPT: Final = 10_000


@dataclass(slots=True, eq=False)
class Line:
    """What one uses: seconds of this round and before, bits that run, requests under way, and who waits for either."""

    used_s: float = 0.0
    usual_s: float = 0.0005
    running: int = 0
    inside: int = 0
    begun: deque[Event] = field(default_factory=deque)
    fresh: deque[Event] = field(default_factory=deque)
    doors: deque[Event] = field(default_factory=deque)

    @property
    def waits(self) -> bool:
        """Whether a bit of it waits for its turn."""
        return bool(self.begun or self.fresh)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is there."""
        return not (self.running or self.inside or self.waits or self.doors)


class Shares:
    """The lines of everybody, by any name. ``most_waiting`` 0: any number of requests may wait."""

    def __init__(self, runtime: Runtime, *, most_inside: int = MOST_INSIDE, most_waiting: int = MOST_WAITING):
        self._runtime = runtime
        self._most_inside = most_inside
        self._most_waiting = most_waiting
        # Tasks of a loop meet a round each time it goes around; threads have none, so that the clock makes them.
        self._pause_s = 0.001 if runtime.mode == "threading" else 0.0
        self._most_running = MOST_THREADS if runtime.mode == "threading" else math.inf
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._owing: set[Line] = set()
        self._waiting: set[Line] = set()
        self._present: dict[Line, float] = {}
        self._look_at = 0.0
        self._lock = threading.Lock()
        self._turning = False

    def line(self, name: str) -> Line:
        """The line of that name."""
        with self._lock:
            found = self._lines.get(name)
            if found is None:
                found = self._lines[name] = Line()
                if len(self._lines) > MOST_KEPT:
                    self._forget()
            return found

    def enter(self, line: Line) -> None:
        """Begin a request. Raises TooManyAtOnce when too many wait already, or it waited for too long."""
        with self._lock:
            if line.inside < self._most_inside:
                self._let_in(line)
                return
            if 0 < self._most_waiting <= len(line.doors):
                raise TooManyAtOnce(retry_after_s=1.0)
            door = self._runtime.event()
            line.doors.append(door)
        if door.wait(MOST_WAIT_S if self._most_waiting else None):
            return
        with self._lock:
            if door in line.doors:
                line.doors.remove(door)
                raise TooManyAtOnce(retry_after_s=1.0)

    def leave(self, line: Line) -> None:
        """End a request, or let it rest: the next one comes in."""
        with self._lock:
            if line.doors and line.inside <= self._most_inside:
                line.doors.popleft().set()
                return
            line.inside -= 1
            if not line.inside:
                self._present[line] = time.monotonic()

    def come_back(self, line: Line) -> None:
        """A request that rested goes on; it was let in before."""
        with self._lock:
            self._let_in(line)

    def begin(self, line: Line, *, fresh: bool = True) -> None:
        """Wait until it may run. What is not ``fresh`` has only waited a moment, and may hold what others wait for."""
        with self._lock:
            if self._may_run(line, fresh=fresh):
                line.running += 1
                return
            bit = self._runtime.event()
            (line.fresh if fresh else line.begun).append(bit)
            self._waiting.add(line)
            turning, self._turning = self._turning, True
        if not turning:
            self._runtime.spawn(self._turn)
        bit.wait()

    def end(self, line: Line, used_s: float) -> None:
        """It ran for so long."""
        with self._lock:
            line.running -= 1
            line.usual_s += (used_s - line.usual_s) / (2 if used_s > line.usual_s else 16)
            self._charge(line, used_s)

    def charge(self, line: Line, used_s: float) -> None:
        """So much was done for it on another thread."""
        with self._lock:
            self._charge(line, used_s)

    def _charge(self, line: Line, used_s: float) -> None:
        line.used_s = min(line.used_s + used_s, MOST_DEBT_S)
        self._owing.add(line)

    def _let_in(self, line: Line) -> None:
        line.inside += 1
        self._present[line] = math.inf

    def _may_run(self, line: Line, *, fresh: bool) -> bool:
        if line.begun or line.used_s >= self._round_s():
            return False
        return not fresh or (not line.fresh and line.running < self._most_running)

    def _round_s(self) -> float:
        return ROUND_S if len(self._present) > 1 else ALONE_S

    def _miss(self) -> None:
        """Those who had nothing under way for a while are not there any more."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + STAYS_S / 4
            self._present = {line: left_at for line, left_at in self._present.items() if left_at >= now - STAYS_S}

    def _turn(self) -> None:
        """Round after round, for as long as anybody waits."""
        while True:
            self._runtime.sleep(self._pause_s)
            with self._lock:
                self._miss()
                round_s = self._round_s()
                for line in tuple(self._owing):
                    line.used_s = max(0.0, line.used_s - round_s)
                    if not line.used_s:
                        self._owing.discard(line)
                self._waiting = {line for line in self._waiting if line.waits}
                if not self._waiting:
                    self._turning = False
                    return
                for line in self._waiting:
                    self._release(line, round_s - line.used_s)

    def _release(self, line: Line, left_s: float) -> None:
        while left_s > 0 and (line.begun or (line.fresh and line.running < self._most_running)):
            line.running += 1
            left_s -= max(line.usual_s, 0.0001)
            (line.begun or line.fresh).popleft().set()

    def _forget(self) -> None:
        for name in [name for name, line in self._lines.items() if line.is_idle][: MOST_KEPT // 2]:
            line = self._lines.pop(name)
            self._owing.discard(line)
            self._present.pop(line, None)


class Share:
    """One request's part of its line: what it does between ``begun`` and the end of that block."""

    def __init__(self, shares: Shares, line: Line):
        self._shares = shares
        self._line = line
        self._began = 0.0
        self._resting = False

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Around a request, once it is let in. Raises TooManyAtOnce."""
        self._shares.enter(self._line)
        with self._counted():
            yield

    @contextmanager
    def again(self) -> Iterator[None]:
        """Around more of an answer whose request was let in before."""
        self._shares.come_back(self._line)
        with self._counted():
            yield

    def move(self, line: Line) -> None:
        """It is somebody else's, as has turned out."""
        if line is not self._line:
            self.stop(resting=True)
            self._line = line
            self.go_on()

    def stop(self, *, resting: bool) -> None:
        """See ``runtime.Bit``."""
        self._shares.end(self._line, time.thread_time() - self._began)
        self._resting = resting
        if resting:
            self._shares.leave(self._line)

    def go_on(self) -> None:
        """See ``runtime.Bit``."""
        rested, self._resting = self._resting, False
        if rested:
            self._shares.come_back(self._line)
        self._shares.begin(self._line, fresh=rested or not self._began)
        self._began = time.thread_time()

    def charge(self, used_s: float) -> None:
        """See ``runtime.Bit``."""
        self._shares.charge(self._line, used_s)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.go_on()
        before = current_bit.set(self)
        try:
            yield
        finally:
            current_bit.reset(before)
            self.stop(resting=True)
            self._resting = False
