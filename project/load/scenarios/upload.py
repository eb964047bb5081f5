"""The safe load testing suite: uploads of client records by presets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final

from project.load.client_records import MOST_RECORDS
from project.load.core import profile
from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.errors import BadUsage
from project.load.scenarios.scenario import DURATION_MOST_S, RATE_LIMIT, Conductor, Option, Options, Scenario
from project.load.targets.base import Answer
from project.load.targets.uploads import NOT_SAFE, UploadOptions, UploadTarget


@dataclass(frozen=True, slots=True)
class Preset:
    """Records a batch, users at once, and minutes."""

    batch_size: int
    users: int
    minutes: float


PRESETS: Final[dict[str, Preset]] = {
    "light": Preset(1_000, 1, 2),
    "medium": Preset(5_000, 3, 3),
    "heavy": Preset(10_000, 5, 5),
    "stress": Preset(10_000, 10, 10),
}
CUSTOM: Final = "custom"
MOST_USERS: Final = 1000


def preset_of(options: Options) -> Preset:
    """What to do: the preset, for ``custom`` the environment's values, and single options over either."""
    name = options["preset"]
    if name == CUSTOM:
        size, users = _number("BATCH_SIZE", 1_000, MOST_RECORDS), _number("CONCURRENCY", 1, MOST_USERS)
        base = Preset(int(size), int(users), _number("DURATION", 2, DURATION_MOST_S / 60, whole=False))
    elif name in PRESETS:
        base = PRESETS[name]
    else:
        raise BadUsage(f"There is no preset {name!r}; there are {', '.join([*PRESETS, CUSTOM])}")
    return Preset(
        options["batch_size"] or base.batch_size,
        options["concurrency"] or base.users,
        options["duration"] / 60 if options["duration"] else base.minutes,
    )


def _number(name: str, default: float, most: float, *, whole: bool = True) -> float:
    text = os.environ.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0
    if not 0 < value <= most or (whole and value != int(value)):
        raise BadUsage(f"{name} must be a {'whole ' * whole}number above 0, up to {most:g}, not {text!r}")
    return value


def upload_plan(options: Options, seed: int) -> Plan:
    """So many users for so long, each waiting for its answer."""
    preset = preset_of(options)
    shape = profile.steady(preset.users, preset.minutes * 60)
    return Plan("upload", "closed", shape, requests=options["requests"], rate_limit=options["rps"], seed=seed)


async def _upload(conductor: Conductor, options: Options) -> RunRecord:
    preset = preset_of(options)
    target = UploadTarget(
        conductor.url,
        UploadOptions(
            preset.batch_size,
            options["file_type"],
            options["upload_username"],
            options["upload_password"] or os.environ.get("SPACES_LOAD_PASSWORD", ""),
            options["auth_token"] or os.environ.get("AUTH_TOKEN", ""),
        ),
        dict(conductor.headers),
        conductor.timeout_s,
        conductor.seed,
        preset.users,
    )

    def stop_when_unsafe(_intended_us: int, _sent_us: int | None, _done_us: int, answer: Answer) -> None:
        if answer.failure == NOT_SAFE:
            conductor.stop("target_unsafe")

    plan = upload_plan(options, conductor.seed)
    record = await conductor.run(plan, target=target, sinks=(stop_when_unsafe,))
    record.findings["records"] = _records(target, record, preset)
    return record


def _records(target: UploadTarget, record: RunRecord, preset: Preset) -> dict[str, Any]:
    a_call = target.processed / record.counts.done if record.counts.done else 0.0
    return {
        "processed": target.processed,
        "per_second": round(record.rate * a_call, 1),
        "batch_size": preset.batch_size,
    }


UPLOAD: Final = Scenario(
    "upload",
    "Uploads of made-up client records in safe mode: marked, processed, and kept nowhere.",
    (
        Option("preset", "text", "light", "light, medium, heavy, stress; custom: BATCH_SIZE, CONCURRENCY, DURATION."),
        Option("batch_size", "int", None, "Records of a file, instead of the preset's.", 1, MOST_RECORDS),
        Option("concurrency", "int", None, "Users at once, instead of the preset's.", 1, MOST_USERS),
        Option("duration", "float", None, "Seconds, instead of the preset's.", 0.05, 86_400),
        Option("requests", "int", None, "End after so many uploads.", 1, 10**9),
        RATE_LIMIT,
        Option("file_type", "text", "csv", "csv or xlsx."),
        Option("upload_username", "text", "", "Login of the site that uploads; otherwise headers or a token say who."),
        Option("upload_password", "text", "", "Its password; also SPACES_LOAD_PASSWORD."),
        Option("auth_token", "text", "", "Sent as a bearer token; also AUTH_TOKEN."),
    ),
    _upload,
    profile="uploads",
    planner=upload_plan,
    timeout_s=60.0,
)
