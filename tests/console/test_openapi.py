"""The console's routes against their own OpenAPI description: whatever is sent, they answer as they say they do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from project.accounts.audit import NOWHERE
from project.app import create_app
from project.config import Settings
from project.core.people import SCOPES
from project.web.console_openapi import ROOT, description
from project.web.policy import policy_of

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
STARTS_PROCESSES = {"ipcTestLoadStartCreate"}
"""Left out of what is fuzzed: each good guess would begin a load run."""


class Application:
    """A site without sockets, and an administrator's API key."""

    def __init__(self, folder: Path):
        settings = Settings(data_dir=folder, async_mode="threading", database_url="memory://")
        self.made = create_app(settings)
        accounts = self.made.flask.extensions["spaces"].accounts
        admin = next(user for user in accounts.people.all() if user.is_admin)
        _, key = accounts.keys.make(admin, "fuzzing", SCOPES, None, NOWHERE)
        self.headers = {"Authorization": f"Bearer {key}", "Host": "127.0.0.1"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    made = Application(tmp_path_factory.mktemp("openapi"))
    yield made
    made.made.store.close()


def _answers_as_described(operation: Any) -> Any:
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def test(case: Any, application: Application) -> None:
        case.operation.app = application.made.flask
        answer = case.call_and_validate(checks=CHECKS, headers=application.headers)
        assert answer.status_code not in (401, 403)

    return operation.parametrize()(test)


def _operations() -> Iterator[tuple[str, Any]]:
    described: Any = schemathesis.openapi.from_dict(description())
    for methods in description()["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            if name not in STARTS_PROCESSES:
                yield name, described.include(operation_id=name)


# A function for each, because pytest gives those that schemathesis makes of one function the same id.
for _name, _operation in _operations():
    globals()[f"test_{_name}_answers_as_described"] = _answers_as_described(_operation)


def test_every_route_is_described(application: Application) -> None:
    """All of the console's routes but its page, pictures and files, and what is not for administrators."""
    flask = application.made.flask
    described = {(path, method.upper()) for path, methods in description()["paths"].items() for method in methods}
    there = set()
    for rule in flask.url_map.iter_rules():
        path = rule.rule
        for old, new in (("<template_id>", "{id}"), ("<call_id>", "{id}"), ("<schedule_id>", "{id}")):
            path = path.replace(old, new)
        path = path.replace("<test_id>", "{test_id}")
        policy = policy_of(flask, rule.endpoint)
        if path.startswith(ROOT) and policy is not None and policy.name == "admin":
            there |= {(path, method) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    left = {path for path, _ in there - described}
    assert {path for path in left if not any(word in path for word in ("charts/", "export.", "openapi.json"))} == {
        f"{ROOT}/"
    }
    assert described - there == set()
