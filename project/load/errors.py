"""What can go wrong with a run, each kind with its exit code."""

from __future__ import annotations

from typing import Final

from project.errors import SpacesError

EXIT_PASSED: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_INVALID: Final = 3
EXIT_TARGET_LOST: Final = 4
EXIT_OUTPUT: Final = 5
EXIT_REFUSED: Final = 6
EXIT_IN_USE: Final = 7
EXIT_INTERRUPTED: Final = 130
EXIT_TERMINATED: Final = 143
BROKEN_OFF: Final = (EXIT_INTERRUPTED, EXIT_TERMINATED)
EXITS: Final[dict[int, str]] = {
    EXIT_PASSED: "the run met its thresholds, or had none",
    EXIT_FAILED: "a threshold was failed: level critical; with `--strict` also warning",
    EXIT_USAGE: "bad usage, or the target cannot be reached; nothing was measured",
    EXIT_INVALID: "the measurement is not valid: the generator was the bottleneck, not the target",
    EXIT_TARGET_LOST: "the target died during the run; what was measured until then is kept",
    EXIT_OUTPUT: "the results cannot be written (disk full, no permission); what could be is kept",
    EXIT_REFUSED: "the run is not allowed: a target that is not loopback, without its proof or permission",
    EXIT_IN_USE: "the space is in use, by a worker or by people's requests, and is not for `--workers`",
    EXIT_INTERRUPTED: "interrupted by Ctrl+C; what was measured is kept",
    EXIT_TERMINATED: "ended by SIGTERM; what was measured is kept",
}


class LoadError(SpacesError):
    """The load run cannot be done."""

    code = "load_failed"
    exit_code = EXIT_USAGE


class BadUsage(LoadError):
    """A value of the command line, the file or the call cannot be used."""

    code = "bad_usage"


class TargetUnreachable(LoadError):
    """The target cannot be reached."""

    code = "target_unreachable"


class OutputFailed(LoadError):
    """The results cannot be written."""

    code = "output_failed"
    exit_code = EXIT_OUTPUT


class RunRefused(LoadError):
    """This target may not be put under load from here."""

    code = "run_refused"
    exit_code = EXIT_REFUSED


class SpaceInUse(LoadError):
    """The space is in use: played workers would take people's requests."""

    code = "space_in_use"
    exit_code = EXIT_IN_USE


class CallFailed(LoadError):
    """One call to the target failed; ``kind`` is the short, stable word it is counted under, ``status`` HTTP's."""

    code = "call_failed"

    def __init__(self, kind: str, message: str = "", status: int = 0):
        super().__init__(message or kind)
        self.kind = kind
        self.status = status
