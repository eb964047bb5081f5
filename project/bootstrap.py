"""The first import of the site's process: patches the standard library for the chosen server, before anything else.

Nothing else may come before it, because a lock made unpatched stays unpatched. Only this module and
``project.runtime`` know eventlet or gevent by name.
"""

from __future__ import annotations

import os
import sys
import warnings

MODE = os.environ.get("SPACES_ASYNC_MODE", "eventlet")


def patch(mode: str = MODE) -> str:
    """Patch the standard library for ``mode`` (``eventlet``, ``gevent`` or ``threading``) and return it.

    Raises RuntimeError when the patch did not take, rather than running half patched.
    """
    # Under load the database thread and the event loop hand the interpreter to and fro; the default of 5 ms
    # per turn would be the latency of every commit.
    sys.setswitchinterval(0.0005)
    if mode == "eventlet":
        # The choice and its way out (another mode, by one setting) are documented; every start need not repeat it.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="eventlet")
        warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated.*")
        import eventlet
        from eventlet.patcher import is_monkey_patched

        eventlet.monkey_patch()
        _insist(bool(is_monkey_patched("socket")), mode)
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
        _insist(bool(monkey.is_module_patched("socket")), mode)
    return mode


def _insist(patched: bool, mode: str) -> None:
    if not patched:
        raise RuntimeError(f"{mode} could not patch the standard library")
