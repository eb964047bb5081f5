"""Write docs/reference from the tables in the code: settings, errors and reasons, routes and who may use them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from project.app import create_app
from project.config import TABLE, Settings
from project.core.reasons import REASONS
from project.errors import every_error
from project.web.policy import policy_of

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


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
    rows = [f"| `{e.code}` | {e.status} | {e.default_message()} |" for e in sorted(every_error(), key=lambda e: e.code)]
    page = _page("Errors", first, "| code | HTTP | meaning |", rows)
    ends = [f"| `{code}` | {text} |" for code, text in REASONS.items()]
    return page + "\n" + _page("Why a request ended", "In `code` of its status.", "| code | meaning |", ends, level=2)


def routes() -> str:
    """Every route with its policy."""
    with tempfile.TemporaryDirectory() as folder:
        application = create_app(Settings(data_dir=Path(folder), async_mode="threading", database_url="memory://"))
        app = application.flask
        found = []
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            view = app.view_functions[rule.endpoint]
            text = (view.__doc__ or "Static files.").strip().splitlines()[0]
            if rule.endpoint.endswith("static"):
                text = "Static files."
            methods = ", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            found.append(f"| {methods} | `{rule.rule}` | {policy_of(app, rule.endpoint)} | {text} |")
        application.store.close()
    first = (
        "`public`: everybody; `user`: who is logged in; `admin`: administrators; `lease`: a worker with a signed link. "
        "An app with a route without a policy does not start."
    )
    return _page("Routes", first, "| method | path | for | what |", found)


def _page(title: str, text: str, head: str, rows: list[str], level: int = 1) -> str:
    line = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join([f"{'#' * level} {title}", "", text, "", head, line, *rows, ""])


def _shown(value: object) -> str:
    return f"`{value}`" if str(value) else "(empty)"


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")


PAGES = {"settings.md": settings, "errors.md": errors, "routes.md": routes}

if __name__ == "__main__":
    main()
