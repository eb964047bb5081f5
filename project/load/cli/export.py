"""``export``: a scenario as a script for k6 or Artillery."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console

from project.load.cli.play import Order
from project.load.client_records import ClientRecords
from project.load.core.plan import Plan
from project.load.core.thresholds import Threshold
from project.load.errors import BadUsage, OutputFailed, RunRefused
from project.load.export.artillery import ARTILLERY_MEASURES, artillery_files
from project.load.export.k6 import K6_MEASURES, k6_files
from project.load.export.script import SOCKETS, Exported
from project.load.output.folder import write_atomically
from project.load.permission import SAFE, allowed_entry, has_proof, is_loopback, marked
from project.load.scenarios.changing import people_of
from project.load.scenarios.upload import UPLOAD, preset_of
from project.load.sources import source_of
from project.load.targets.http import Endpoint, HttpTarget
from project.load.targets.kinds import kind_of, make_target
from project.load.targets.uploads import upload_of

WRITERS: Final[dict[str, Callable[[Exported], Mapping[str, str]]]] = {"k6": k6_files, "artillery": artillery_files}
MEASURES: Final = {"k6": K6_MEASURES, "artillery": ARTILLERY_MEASURES}
MESSAGES: Final = 200
"""So many messages go into a script; users begin at different ones and take them in turn."""


def exported(order: Order) -> Exported:
    """A run as data. Raises BadUsage for what other tools cannot do, RunRefused for what the target may not get."""
    planner = order.scenario.planner
    if planner is None:
        raise BadUsage(f"{order.scenario.name} decides while it runs, so it cannot be a script of another tool")
    plan = planner(order.options, order.seed)
    target = order.target
    kind = kind_of(target)
    url = target.service.url if target.service is not None else target.url
    if not is_loopback(url):
        _see_that_it_is_permitted(url, order.config, plan)
    found = Exported(
        order.name or order.scenario.name, kind, url, plan, marked(url, target.headers), target.timeout_s,
        matching=target.matching, event=target.event, thresholds=_limits(order),
    )  # fmt: skip
    if order.scenario is UPLOAD:
        return _uploads(found, order)
    if kind in SOCKETS:
        return replace(found, messages=_messages(order, plan))
    made = make_target(target)
    if not isinstance(made, HttpTarget):
        raise BadUsage(f"a run against the {kind} cannot be a script; there is a Locust user for it, see the manual")
    return replace(found, url=made.url.rstrip("/"), calls=made.endpoints, headers=made.headers)


def _see_that_it_is_permitted(url: str, config: Path, plan: Plan) -> None:
    """As for a run, but for the token: who plays the script reaches the target, and this machine may not."""
    entry = allowed_entry(url, config)
    entry.caps.check(plan)
    if not has_proof(entry):
        raise RunRefused(f"There is no proof that {entry.origin} stores nothing of a load test; run verify first")


def _limits(order: Order) -> tuple[Threshold, ...]:
    """The thresholds that can be failed: some only warn."""
    return tuple(rule for rule in order.thresholds if math.isfinite(rule.warning))


def _uploads(found: Exported, order: Order) -> Exported:
    """One batch of records, again and again, marked as a load test."""
    options = order.options
    if options["upload_username"]:
        raise BadUsage("a script cannot log in: export with --auth-token or --header")
    records = ClientRecords(order.seed)
    body, content_type = upload_of(records, preset_of(options).batch_size, options["file_type"])
    headers = {**found.headers, **SAFE, "Content-Type": content_type}
    if token := options["auth_token"] or os.environ.get("AUTH_TOKEN", ""):
        headers["Authorization"] = f"Bearer {token}"
    parts = urlsplit(found.url)
    call = Endpoint(parts.path or "/", "POST", body=body)
    return replace(
        found, kind="http", url=f"{parts.scheme}://{parts.netloc}", calls=(call,), headers=headers, safe=True
    )


def _messages(order: Order, plan: Plan) -> list[Mapping[str, Any]]:
    people = people_of(order.options, order.seed) if order.scenario.name == "realistic" else []
    word = order.messages or ("realistic" if people else "mixed")
    sources = source_of(word, order.seed, lambda: people, order.message_bytes)
    users = max(1, min(MESSAGES, round(plan.profile.highest) if plan.model == "closed" else plan.connections))
    each = [sources(number) for number in range(users)]
    taken = [dict(source()) for _ in range(-(-MESSAGES // users)) for source in each]
    return [{key: value for key, value in message.items() if key != "id"} for message in islice(taken, MESSAGES)]


def write_files(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write a script's files. Raises OutputFailed."""
    written = []
    for name, text in files.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
        except OSError as error:
            raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error
        written.append(path)
    return written


def export(order: Order, tool: str, console: Console) -> None:
    """Write an order as files of a tool into its output folder, and say how they are run."""
    if order.output is None:
        raise BadUsage("an export needs --output, a folder")
    files = WRITERS[tool](exported(order))
    first, *_ = written = write_files(files, order.output)
    for path in written:
        console.print(f"Written: {path}")
    console.print(f"Run it: {tool} run {first}")
    left = [rule.metric for rule in _limits(order) if rule.metric not in MEASURES[tool]]
    if left:
        console.print(f"⚠ {tool} cannot fail by {', '.join(left)}: left out", style="yellow")
