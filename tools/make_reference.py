"""Write docs/reference from the tables in the code: settings, errors and reasons, routes and who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from project.backup.errors import BackupError
from project.config import TABLE
from project.core.policies import EVENT_POLICIES, ROUTE_POLICIES
from project.core.reasons import REASONS
from project.core.spaces import NUMBERS, ORDERS, SWITCHES
from project.errors import SpacesError, every_error
from project.worker.errors import WorkerError
from tools.load_reference import load
from tools.routes import listing

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
_CODES = "| code | meaning |"
_RAISED = "| exception | code | meaning |"


def settings() -> str:
    """Every setting."""
    rows = [f"| `{row.variable}` | {_shown(row.default)} | {row.help} |" for row in TABLE]
    return _page(
        "Settings",
        "Read from the environment at start; `run.py --host`, `--port` and `--data-dir` win over theirs.",
        "| variable | default | meaning |",
        rows,
    )


def errors() -> str:
    """Every error code and reason."""
    first = (
        "Every JSON error is `{success: false, error, code}`, with `field` where a field is to blame and "
        "`retry_after` (seconds) where waiting helps. Codes are stable; texts are not."
    )
    site = sorted(every_error(), key=lambda error: error.code)
    rows = [f"| `{error.code}` | {error.status} | {error.default_message()} |" for error in site]
    page = _page("Errors", first, "| code | HTTP | meaning |", rows)
    ends = [f"| `{code}` | {text} |" for code, text in REASONS.items()]
    page += "\n" + _page("Why a request ended", "In `code` of its status.", _CODES, ends, level=2)
    raised = [_raised(error) for error in (WorkerError, *WorkerError.__subclasses__())]
    text = "What the worker SDK raises. `reason` of a refused registration is one of the codes above."
    page += "\n" + _page("In a worker", text, _RAISED, raised, level=2)
    raised = [_raised(error) for error in (BackupError, *BackupError.__subclasses__())]
    text = "What `python -m project.backup` ends with, in brackets after the message; the exit code is 1."
    return page + "\n" + _page("Of a backup", text, _RAISED, raised, level=2)


def _raised(error: type[SpacesError]) -> str:
    return f"| `{error.__name__}` | `{error.code}` | {error.default_message()} |"


def routes() -> str:
    """Every route and every event with its policy."""
    table = listing()
    rows = [f"| {r.methods} | `{r.path}` | {r.policy} | {r.key} | {r.about} |" for r in table if r.methods != "EVENT"]
    first = (
        f"{_meanings(ROUTE_POLICIES)} *Key* is the scope that an API key (`Authorization: Bearer wsk_...`) needs; "
        "where there is none, only a login will do. A site with a route or an event without a policy does not start."
    )
    page = _page("Routes", first, "| method | path | for | key | what |", rows)
    events = [f"| `{r.path}` | {r.policy} | {r.about} |" for r in table if r.methods == "EVENT"]
    text = f"Namespace and event. {_meanings(EVENT_POLICIES)}"
    return page + "\n" + _page("Events", text, "| event | for | what |", events, level=2)


def _meanings(policies: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}`: {meaning}" for name, meaning in policies.items()) + "."


def _page(title: str, text: str, head: str, rows: list[str], level: int = 1) -> str:
    line = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join([f"{'#' * level} {title}", "", text, "", head, line, *rows, ""])


def _shown(value: object) -> str:
    return f"`{value}`" if str(value) else "(empty)"


def spaces() -> str:
    """Every setting of a space."""
    rows = [f"| `{option.field}` | off | on or off | {option.about} |" for option in SWITCHES]
    rows += [
        f"| `{option.field}` | {option.default:g} | {option.least:g} to {option.most:g} | {option.about} |"
        for option in NUMBERS
    ]
    rows.append(
        f"| `ws_order` | {ORDERS[0]} | {', '.join(ORDERS)} | In which order requests are handed out: as they come, or "
        "round robin over the people who wait. |"
    )
    first = (
        "Fields of the form at `/admin/space/add` and `/admin/space/edit/<space_id>`, beside `name`, `description`, "
        "`card_type`, `cover` and `cover_type`. With `Accept: application/json` the answers are JSON; the fields may "
        "be sent as JSON, too. What is left out takes its default: to change one, send them all, as a `GET` of the "
        "edit address answers them. A change counts for requests that come after it; deadlines are noted with each "
        "request, and `ws_capacity` counts at once."
    )
    return _page("Settings of a space", first, "| field | default | values | meaning |", rows)


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


PAGES = {"settings.md": settings, "errors.md": errors, "routes.md": routes, "load.md": load, "spaces.md": spaces}

if __name__ == "__main__":
    main()
