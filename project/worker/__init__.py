"""The worker SDK: serve a space with a function, from behind any NAT.

    from project.worker import Worker

    def handler(request):
        return {"text_output": request.prompt.upper()}

    Worker(handler, host="http://localhost:5001", space="My space").run()

Needs only ``python-socketio[client]`` beside ``project.worker``, ``project.wire`` and ``project.errors``.
"""

from project.worker.errors import (
    HandlerCrashed,
    HandlerUnusable,
    RegistrationRefused,
    StateUnavailable,
    TransferFailed,
    WorkerError,
)
from project.worker.events import WorkerEvents
from project.worker.job import InputFile, Job, Result
from project.worker.worker import Worker

__all__ = [
    "HandlerCrashed",
    "HandlerUnusable",
    "InputFile",
    "Job",
    "RegistrationRefused",
    "Result",
    "StateUnavailable",
    "TransferFailed",
    "Worker",
    "WorkerError",
    "WorkerEvents",
]
