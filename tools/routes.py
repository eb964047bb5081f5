"""``make routes``: every address of the site, who may use it, and what it is for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from project.app import create_app
from project.config import Settings
from project.web.policy import policy_of


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the app's own table."""

    methods: str
    path: str
    policy: str
    about: str


def listing() -> list[Route]:
    """Every route of a fresh app, by path."""
    with tempfile.TemporaryDirectory() as folder:
        application = create_app(Settings(data_dir=Path(folder), async_mode="threading", database_url="memory://"))
        app = application.flask
        found = []
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            methods = ", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            text = (app.view_functions[rule.endpoint].__doc__ or "").strip().partition("\n")[0]
            about = "Static files." if rule.endpoint.endswith("static") else text
            found.append(Route(methods, rule.rule, policy_of(app, rule.endpoint) or "", about))
        application.store.close()
    return found


def main() -> None:
    """Print the table."""
    for route in listing():
        print(f"{route.methods:<6}{route.path:<50}{route.policy:<8}{route.about}")


if __name__ == "__main__":
    main()
