"""``make routes``: every address of the site, who may use it, and what it is for."""

from __future__ import annotations

import tempfile
from pathlib import Path

from project.app import create_app
from project.config import Settings
from project.web.policy import policy_of


def main() -> None:
    """Print the table, from the app itself."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), database_url="memory://", async_mode="threading")
        app = create_app(settings).flask
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            methods = ",".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            about = (app.view_functions[rule.endpoint].__doc__ or "").strip().splitlines() or [""]
            print(f"{methods:<6}{rule.rule:<50}{policy_of(app, rule.endpoint) or '':<8}{about[0]}")


if __name__ == "__main__":
    main()
