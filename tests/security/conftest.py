"""Accounts on a clock of the test's own, over both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from project.accounts.service import Accounts
from project.config import Settings
from project.core.people import AuditEntry, AuditFilter
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.storage.port import Store
from project.storage.sql import open_store

SITE_KEY = "x7Qp-9mZ2_vL4tRk8Wc1Yb6Nd3Hs5Jg0"
PASSWORD = "mellow-otter-9"


@dataclass
class Bench:
    """Accounts, their store, and a clock that goes when it is told to."""

    store: Store
    settings: Settings
    now: float = 1_800_000_000.0
    keys: tuple[str, ...] = (SITE_KEY,)
    accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Other accounts over the same store: the site started again, or another node of it."""
        run_blocking = make_runtime("threading").run_blocking
        self.accounts = Accounts(self.store, run_blocking, lambda: self.now, self.settings, self.keys)

    def log(self, kind: str = "") -> list[AuditEntry]:
        """The audit log, oldest first."""
        return list(reversed(self.store.audit.page(AuditFilter(kind=kind), limit=1000)))


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A site that people reach from elsewhere: none of the documented logins."""
    store = (
        memory_store()
        if request.param == "memory"
        else open_store(f"sqlite:///{tmp_path / 'accounts.db'}", make_runtime("threading"))
    )
    settings = Settings(host="0.0.0.0", admin_password="quiet-lantern-42", data_dir=tmp_path)
    yield Bench(store, settings)
    store.close()
