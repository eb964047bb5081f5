"""What the generator itself costs: its loop's lag, its processor time, memory and open files."""

from __future__ import annotations

import sys

import psutil

from project.load.core.record import OwnCost
from project.load.engine.clock import now_us

if sys.platform != "win32":
    import resource


def fds_limit() -> int:
    """Files this process may have open; 0 where that is not known."""
    if sys.platform == "win32":
        return 0
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def raise_fds_limit(wanted: int) -> int:
    """Allow as many open files as are wanted, as far as the system lets us; the limit then."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and most > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return fds_limit()


class Gauge:
    """Looks at its own process; ``look`` about once a second."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._began_us = self._looked_us = now_us()
        self._cpu_at_start_s = self._cpu_s = self._cpu_now_s()
        self._peak = 0.0
        self._rss_bytes = 0
        self._fds = 0

    def _cpu_now_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def look(self) -> None:
        """Take one reading."""
        now, cpu_s = now_us(), self._cpu_now_s()
        passed_s = (now - self._looked_us) / 1e6
        if passed_s > 0.2:
            self._peak = max(self._peak, (cpu_s - self._cpu_s) / passed_s)
            self._looked_us, self._cpu_s = now, cpu_s
        self._rss_bytes = max(self._rss_bytes, int(self._process.memory_info().rss))
        if sys.platform != "win32":
            self._fds = max(self._fds, int(self._process.num_fds()))

    def cost(self) -> OwnCost:
        """Everything read so far."""
        self.look()
        passed_s = max(1e-6, (now_us() - self._began_us) / 1e6)
        mean = (self._cpu_now_s() - self._cpu_at_start_s) / passed_s
        return OwnCost(mean, max(self._peak, mean), self._rss_bytes, self._fds, fds_limit())
