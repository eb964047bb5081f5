"""What the views may use, put together by ``create_app`` and reached through the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Flask, Request, current_app, request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.wrappers import Response

from project.accounts.service import Accounts
from project.clock import Clock
from project.config import Settings
from project.relay.batches import Batches
from project.relay.links import Links
from project.relay.retention import Retention
from project.relay.service import Relay
from project.relay.spaces import Spaces
from project.rotation import Rotation
from project.rpc.console import Console
from project.runtime import Runtime
from project.storage.files import FileVault


@dataclass(frozen=True, slots=True)
class Site:
    """The use cases, the settings and the vault; ``long_work``: whose is done now."""

    settings: Settings
    relay: Relay
    spaces: Spaces
    accounts: Accounts
    vault: FileVault
    links: Links
    runtime: Runtime
    console: Console
    clock: Clock
    retention: Retention
    batches: Batches
    long_work: Rotation


def current_site() -> Site:
    """The site that is answering the current request."""
    return cast(Site, current_app.extensions["spaces"])


def public_address() -> str:
    """The address by which people and programs reach the site, as far as it was told, else by which it was asked."""
    return current_site().settings.public_origin or request.host_url.rstrip("/")


class NoFlaskSession(SessionInterface):
    """Logins live on the server (``project.accounts``); reading and signing Flask's cookie would be for nothing."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        """There is none."""
        return self.make_null_session(app)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing to save."""
