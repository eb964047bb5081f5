"""``make routes``: every address and every event of the site, who may use it, and what it is for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from project.app import create_app
from project.config import Settings
from project.core.policies import NO_KEY
from project.sockets.policy import event_policies
from project.web.policy import policy_of


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. ``methods`` is EVENT for an event; ``key`` the scope an API key needs, if one will do."""

    methods: str
    path: str
    policy: str
    about: str
    key: str = ""
    endpoint: str = ""


def listing() -> list[Route]:
    """Every route of a fresh app, by path, then every event, by name."""
    with tempfile.TemporaryDirectory() as folder:
        application = create_app(Settings(data_dir=Path(folder), async_mode="threading", database_url="memory://"))
        found = [*_routes(application.flask), *_events(application.flask)]
        application.store.close()
    return found


def _routes(app: Flask) -> list[Route]:
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        text = (app.view_functions[rule.endpoint].__doc__ or "").strip().partition("\n")[0]
        about = "Static files." if rule.endpoint.endswith("static") else text
        policy = policy_of(app, rule.endpoint)
        if policy is None:
            raise RuntimeError(f"{rule.endpoint} has no policy")
        scope = policy.scope_for(methods[0]) if policy.name in ("user", "admin") else NO_KEY
        key = "" if scope == NO_KEY else scope
        found.append(Route(", ".join(methods), rule.rule, policy.name, about, key, rule.endpoint))
    return found


def _events(app: Flask) -> list[Route]:
    server = app.extensions["socketio"].server
    return [
        Route("EVENT", f"{namespace} {event}", policy.name if policy else "", about)
        for namespace, event, policy, about in event_policies(server)
    ]


def main() -> None:
    """Print the table."""
    for route in listing():
        print(f"{route.methods:<7}{route.path:<50}{route.policy:<12}{route.key or '-':<8}{route.about}")


if __name__ == "__main__":
    main()
