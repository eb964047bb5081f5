"""What the checks of a site share: which site, who they are there, and what they made."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

import requests

from project.suites.client import Visitor
from project.suites.expect import Unmet, body_of, expect, expect_status, part_of
from project.suites.page import Page

_NO_SITE: Final = (404, 405, 501)
"""How something else answers a login."""


class Say(Protocol):
    """Tells what a check is doing, and how much of it is done if that can be counted."""

    def __call__(self, text: str, done: int = 0, total: int = 0) -> None:
        """Tell it."""


def silent(text: str, done: int = 0, total: int = 0) -> None:
    """Tell nobody."""


@dataclass
class Bench:
    """What the checks share.

    ``say`` is told what is going on just now, ``trace`` of every call. ``patience_s``: how long an accepted request may
    take until it counts as lost. ``made``: ids of spaces to be deleted at the end. ``notes``: what a check measured.
    """

    host: str
    username: str = "testuser"
    password: str = "testpass123"
    admin_user: str = "admin"
    admin_pass: str = "admin123"
    trace: Callable[[str], None] = field(default=lambda line: None)
    say: Say = silent
    space: str = ""
    requests: int = 100
    concurrency: int = 10
    patience_s: float = 120.0
    made: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _known: dict[str, Visitor] = field(default_factory=dict)
    _stranger: tuple[str, str] | None = None

    def visitor(self) -> Visitor:
        """Somebody new, not logged in."""
        return Visitor(self.host, self.trace)

    def user(self) -> Visitor:
        """The test user, logged in once. Not for several threads: see ``new_user``."""
        return self._once("user", self.new_user)

    def new_user(self) -> Visitor:
        """The test user in a session of its own, registered if need be."""
        visitor = self.visitor()
        if visitor.login(self.username, self.password).status_code != 302:
            visitor.register(self.username, self.password)
            _expect_login(visitor.login(self.username, self.password), self.username, "--username and --password")
        return visitor

    def stranger(self) -> tuple[str, str]:
        """Name and password of an account made for this run: what goes wrong with it hurts nobody."""
        if self._stranger is None:
            name, password = f"tester_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
            expect_status(self.visitor().register(name, password), 302, "registration")
            self._stranger = name, password
        return self._stranger

    def admin(self) -> Visitor:
        """The administrator, logged in once."""
        return self._once("admin", self._new_admin)

    def _new_admin(self) -> Visitor:
        visitor = self.visitor()
        _expect_login(visitor.login(self.admin_user, self.admin_pass), self.admin_user, "--admin-user and --admin-pass")
        return visitor

    def _once(self, who: str, log_in: Callable[[], Visitor]) -> Visitor:
        if who not in self._known:
            self._known[who] = log_in()
        return self._known[who]

    def name(self, kind: str) -> str:
        """A name for a space that nothing else has, not even another run at this moment."""
        return f"{kind}_{int(time.time())}_{secrets.token_hex(3)}"

    def make_space(self, name: str, **fields: str) -> str:
        """Make a space that is deleted at the end; its id. ``fields`` are more of the form's."""
        answer, space_id = self.admin().make_space(name, **fields)
        if space_id:
            self.made.append(space_id)
        expect_status(answer, 302, "making a space")
        expect(bool(space_id), True, "making a space redirects to /admin/space/edit/<id>")
        return space_id

    def delete_space(self, space_id: str) -> None:
        """Delete a space that was made here. Raises Unmet if the site does not."""
        expect_status(self.admin().post(f"/admin/space/delete/{space_id}"), 302, "deleting a space")
        self.made.remove(space_id)

    def worker_token(self, space_id: str) -> str:
        """What a worker of the suite's own needs to serve a space: nothing on this machine, a new token elsewhere."""
        if is_loopback(self.host):
            return ""
        answer = self.admin().post(f"/admin/space/{space_id}/tokens", data={"token_name": "test tool"})
        expect_status(answer, 200, "making a worker token")
        token = Page.of(answer.text).by_id.get("token", "")
        expect(bool(token), True, "the page shows the new worker token")
        return token

    def is_connected(self, space_id: str) -> bool:
        """Whether a space has a worker, by its status."""
        answer = self.visitor().space_status(space_id)
        connected = part_of(body_of(answer, 200, "status of the space"), "connected")
        expect(type(connected), bool, "type of connected in the status of the space")
        return connected is True

    def find_space(self, name_or_id: str) -> str:
        """The id of a space that is there. Raises Unmet if there is none, or several of that name."""
        listed = body_of(self.visitor().get("/", headers={"Accept": "application/json"}), 200, "list of spaces")
        spaces = [(str(space.get("space_id")), space.get("name")) for space in part_of(listed, "spaces")]
        if any(space_id == name_or_id for space_id, _ in spaces):
            return name_or_id
        named = [space_id for space_id, name in spaces if name == name_or_id]
        if len(named) != 1:
            raise Unmet(f"expected one space with the name or id {name_or_id!r}, got {len(named)}")
        return named[0]

    def tidy(self) -> None:
        """Delete what was made, all that can be. Raises Unmet if the site does not delete one."""
        problems = []
        for space_id in list(self.made):
            try:
                self.delete_space(space_id)
            except Unmet as error:
                problems.append(f"{space_id}: {error}")
        if problems:
            raise Unmet("; ".join(problems))


def is_loopback(host: str) -> bool:
    """Whether an address of a site is this machine's own."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _expect_login(answer: requests.Response, who: str, flags: str) -> None:
    """Raise Unmet, with what is most likely wrong, unless it has succeeded."""
    try:
        expect_status(answer, 302, f"login of {who}")
    except Unmet as error:
        site = answer.url.removesuffix("/login")
        helps = {401: f"; are {flags} right?", **dict.fromkeys(_NO_SITE, f"; is {site} a WebSocket Spaces site?")}
        raise Unmet(f"{error}{helps.get(answer.status_code, '')}") from None
