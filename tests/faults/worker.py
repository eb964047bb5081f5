"""A worker that writes down, durably, each attempt it begins, and puts its lease into the result.

``python -m tests.faults.worker HOST SPACE LOG NAME [SECONDS] [CRASH_ON]``; ends itself in the middle of a request whose
prompt contains CRASH_ON, and is at one with "held" in it until there is a file LOG with the suffix .go.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from project.worker import Job, Worker
from project.worker.errors import RegistrationRefused


def main() -> None:
    host, space, log, name, *rest = sys.argv[1:]
    seconds = float(rest[0]) if rest else 0.0
    crash_on = rest[1] if len(rest) > 1 else ""
    written = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def handle(job: Job) -> dict[str, object]:
        row = {
            "request_id": job.id,
            "lease_id": job.lease_id,
            "attempt": job.attempt,
            "at": time.time(),
            "worker": name,
        }
        os.write(written, json.dumps(row).encode() + b"\n")
        os.fsync(written)
        if crash_on and crash_on in job.prompt:
            os._exit(9)
        while "held" in job.prompt and not Path(log).with_suffix(".go").exists():
            job.sleep(0.02)
        job.sleep(seconds)
        return {"text_output": job.prompt, "lease": job.lease_id}

    state = Path(log).with_suffix(f".{name}")
    while True:
        try:
            return Worker(handle, host=host, space=space, capacity=4, state_dir=state).run()
        except RegistrationRefused as refused:
            if refused.reason != "space_occupied":
                raise
            # The place of one that was killed together with its node is free once that is seen. Until then whoever
            # keeps a worker running starts it again and again.
            print(refused, flush=True)
            time.sleep(0.5)


if __name__ == "__main__":
    main()
