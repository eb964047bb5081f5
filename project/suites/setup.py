"""Step 2 of the testing guide: make a space, and say how to serve it."""

from __future__ import annotations

import time

from project.suites.bench import Bench
from project.suites.client import NoAnswer, Unreachable, Visitor
from project.suites.expect import Unmet, body_of, expect_status, part_of
from project.suites.report import Report
from project.suites.run import FAILED, NOT_RUN


def set_up(bench: Bench, report: Report) -> int:
    """Make a space and print the guide's words; the exit code."""
    print(f"Creating test WebSocket space...\nHost: {bench.host}\nAdmin User: {bench.admin_user}\n", flush=True)
    try:
        bench.visitor().greet()
        admin = bench.admin()
        name = _free_name(admin)
        answer, space_id = admin.make_space(name)
        expect_status(answer, 302, "making a space")
        if not space_id:
            raise Unmet("making a space: expected a redirect to /admin/space/edit/<id>, got another")
        token = bench.worker_token(space_id)
    except Unreachable as error:
        report.problem(error.message)
        return NOT_RUN
    except (Unmet, NoAnswer) as error:
        report.problem(str(error))
        return FAILED
    print(f"✓ Space created: {name}\n\nNow run the mock app with:")
    flags = f" --token {token}" if token else ""
    print(f'  python mock_app.py --host {bench.host} --spaces "{name}"{flags}', flush=True)
    return 0


def _free_name(admin: Visitor) -> str:
    """TestSpace and the time in seconds; a later one where two are made in one second, as no worker could be both."""
    listed = body_of(admin.get("/", headers={"Accept": "application/json"}), 200, "list of spaces")
    taken = {part_of(space, "name") for space in part_of(listed, "spaces")}
    stamp = int(time.time())
    while f"TestSpace_{stamp}" in taken:
        stamp += 1
    return f"TestSpace_{stamp}"
