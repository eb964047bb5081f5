"""Spaces and their worker tokens: make, change, delete, find."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

from project.clock import Clock
from project.core.model import Request, Space, SpaceSettings, User, WorkerToken
from project.errors import Conflict, FieldInvalid, SpaceNotFound
from project.storage.port import SpaceStore

TOKEN_PREFIX: Final = "wsp_"
FRESH_S: Final = 1.0
MOST_LIVE_TOKENS: Final = 2
"""Two, so that a token can be replaced while the old one still works."""


class Listener(Protocol):
    """Who is told what became of spaces, because somebody may be connected to them."""

    def space_edited(self, space: Space) -> None:
        """The space has other settings now."""

    def space_removed(self, space_id: str, ended: tuple[Request, ...]) -> None:
        """The space is gone, and these requests of it have ended; they are given as they were before."""

    def token_revoked(self, space_id: str, token_id: str) -> None:
        """The token is no longer good."""


class Spaces:
    """The use cases around spaces. Whatever listens to them is set after it was made: it may need them itself."""

    def __init__(self, store: SpaceStore, clock: Clock):
        self._store = store
        self._clock = clock
        self._listeners: list[Listener] = []
        self._fresh: dict[str, tuple[Space, float]] = {}

    def tell(self, listener: Listener) -> None:
        """Tell this one too."""
        self._listeners.append(listener)

    def create(self, settings: SpaceSettings, owner: User) -> Space:
        """Make a space. Names need not be unique; a worker is refused an ambiguous one."""
        space = Space(id=secrets.token_hex(8), settings=settings, created_at=self._clock(), owner_id=owner.id)
        self._store.add(space)
        return space

    def edit(self, space_id: str, settings: SpaceSettings) -> Space:
        """Change a space. Raises SpaceNotFound."""
        space = _found(self._store.change(space_id, settings))
        self._fresh.pop(space_id, None)
        for listener in self._listeners:
            listener.space_edited(space)
        return space

    def remove(self, space_id: str) -> None:
        """Delete a space; its open requests end. Raises SpaceNotFound."""
        _found(self._store.get(space_id))
        ended = self._store.remove(space_id, now=self._clock())
        self._fresh.pop(space_id, None)
        for listener in self._listeners:
            listener.space_removed(space_id, ended)

    def get(self, space_id: str) -> Space:
        """One space, as it was at most ``FRESH_S`` ago. Raises SpaceNotFound.

        Every submission asks for its space; the store still refuses one whose space has just been deleted.
        """
        kept = self._fresh.get(space_id)
        if kept is not None and kept[1] > self._clock():
            return kept[0]
        space = _found(self._store.get(space_id))
        self._fresh[space_id] = (space, self._clock() + FRESH_S)
        return space

    def named(self, name: str) -> tuple[Space, ...]:
        """Every space of exactly that name."""
        return self._store.named(name)

    def all(self) -> tuple[Space, ...]:
        """Every space, newest first."""
        return self._store.all()

    def models(self) -> Mapping[str, Space]:
        """The spaces that take prompts, by what programs call them: the name, or the id where several have the name."""
        spaces = [space for space in self.all() if _takes_prompts(space)]
        bearers = Counter(space.name for space in spaces)
        return {space.name if bearers[space.name] == 1 else space.id: space for space in spaces}

    def model(self, name: str) -> Space:
        """The space that programs call so, or by its id. Raises SpaceNotFound, Conflict if several have the name."""
        models = self.models()
        found = models.get(name) or next((space for space in models.values() if space.id == name), None)
        if found is not None:
            return found
        if any(space.name == name for space in models.values()):
            raise Conflict(f"Several spaces are called {name!r}: ask for one by its id", field="model")
        raise SpaceNotFound(f"There is no space {name!r} that takes prompts", field="model")

    def make_token(self, space_id: str, name: str) -> tuple[WorkerToken, str]:
        """A new worker token and its text, which is shown this once. Raises SpaceNotFound, FieldInvalid, Conflict."""
        self.get(space_id)
        name = name.strip()
        if not name or len(name) > 100:
            raise FieldInvalid("A token needs a name of at most 100 characters", field="token_name")
        if sum(token.revoked_at is None for token in self._store.tokens(space_id)) >= MOST_LIVE_TOKENS:
            raise Conflict(f"A space has at most {MOST_LIVE_TOKENS} live tokens; revoke one first", field="token_name")
        token_id = secrets.token_hex(6)
        text = f"{TOKEN_PREFIX}{token_id}_{secrets.token_urlsafe(32)}"
        token = WorkerToken(token_id, space_id, name, _hash(text), self._clock())
        self._store.add_token(token)
        return token, text

    def tokens(self, space_id: str) -> tuple[WorkerToken, ...]:
        """A space's tokens, revoked ones too, newest first."""
        return self._store.tokens(space_id)

    def revoke_token(self, space_id: str, token_id: str) -> bool:
        """Whether a live token of that space was revoked; who is connected by it is so no longer."""
        if all(token.id != token_id for token in self._store.tokens(space_id)):
            return False
        revoked = self._store.revoke_token(token_id, now=self._clock())
        if revoked:
            for listener in self._listeners:
                listener.token_revoked(space_id, token_id)
        return revoked

    def live_token(self, space_id: str, text: str) -> WorkerToken | None:
        """The live token of the space with that text, which counts as used; else None."""
        if not text.startswith(TOKEN_PREFIX):
            return None
        # The secret has 256 random bits, so its plain hash can be looked up; there is nothing to guess or to time.
        token = self._store.use_token(_hash(text), now=self._clock())
        return token if token is not None and token.space_id == space_id else None

    def live_tokens(self) -> frozenset[str]:
        """The ids of all tokens that are not revoked."""
        return self._store.live_tokens()

    def forget(self, space_id: str) -> None:
        """Another node changed a space."""
        self._fresh.pop(space_id, None)

    def welcomes(self, space_id: str, token_id: str) -> bool:
        """Whether the space is there and the token, if there is one, still good."""
        if self._store.get(space_id) is None:
            return False
        return not token_id or any(t.id == token_id and not t.revoked_at for t in self._store.tokens(space_id))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _takes_prompts(space: Space) -> bool:
    return space.settings.card_type == "websockets" and space.settings.enable_prompt


def _found(space: Space | None) -> Space:
    if space is None:
        raise SpaceNotFound
    return space
