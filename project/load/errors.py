"""What can go wrong with a run, each kind with its exit code.

0    the run finished and met its thresholds (or had none)
1    a threshold was failed (level ``critical``; with ``--strict`` also ``warning``)
2    bad usage, or the target cannot be reached: nothing was measured
3    the measurement is not valid: the generator, not the target, was the bottleneck
4    the target died during the run; what was measured until then is kept
5    the results cannot be written (disk full, no permission); what fits is kept
6    the run is not allowed: the target is not loopback and lacks its proof, allow-list entry or token; or a cap
130  interrupted by Ctrl+C; what was measured is kept
143  ended by SIGTERM; what was measured is kept
"""

from __future__ import annotations

from typing import Final

from project.errors import SpacesError

EXIT_PASSED: Final = 0
EXIT_FAILED: Final = 1
EXIT_INVALID: Final = 3
EXIT_TARGET_LOST: Final = 4
EXIT_INTERRUPTED: Final = 130
EXIT_TERMINATED: Final = 143


class LoadError(SpacesError):
    """The load run cannot be done."""

    code = "load_failed"
    exit_code = 2


class BadUsage(LoadError):
    """A value of the command line, the file or the call cannot be used."""

    code = "bad_usage"


class TargetUnreachable(LoadError):
    """The target cannot be reached."""

    code = "target_unreachable"


class OutputFailed(LoadError):
    """The results cannot be written."""

    code = "output_failed"
    exit_code = 5


class RunRefused(LoadError):
    """This target may not be put under load from here."""

    code = "run_refused"
    exit_code = 6


class CallFailed(LoadError):
    """One call to the target failed; ``kind`` is the short, stable word it is counted under."""

    code = "call_failed"

    def __init__(self, kind: str, message: str = ""):
        super().__init__(message or kind)
        self.kind = kind
