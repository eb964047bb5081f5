"""A worker that takes files and gives one back: a list of what it was sent, as CSV.

PYTHONPATH=. python examples/worker_files.py http://localhost:5001 "My space"
"""

from __future__ import annotations

import csv
import sys

from project.worker import Job, Result, Worker


def handler(request: Job) -> Result:
    """List the request's files; each was checked against its SHA-256 before this runs."""
    output = request.folder / "files.csv"
    with output.open("w", newline="", encoding="utf-8") as target:
        rows = csv.writer(target)
        rows.writerow(["name", "bytes", "sha256"])
        rows.writerows([file.name, file.size_bytes, file.sha256] for file in request.files)
    return Result({"text_output": f"{len(request.files)} files; the list is attached."}, files=[output])


if __name__ == "__main__":
    Worker(handler, host=sys.argv[1], space=sys.argv[2]).run()
