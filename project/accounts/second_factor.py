"""Codes of an authenticator app, and the recovery codes for when it is lost."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from project.accounts import totp
from project.accounts.audit import Audit, Origin
from project.accounts.throttle import Throttle
from project.clock import Clock
from project.core.model import User
from project.core.people import SecondFactor
from project.errors import Conflict, WrongCode
from project.storage.port import FactorStore

ISSUER: Final = "WebSocket Spaces"
RECOVERY_CODES: Final = 10
SECRET_BYTES: Final = 20
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing that looks like something else."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an app needs: the address for a picture, and the secret for those who type."""

    address: str
    secret: str


class SecondFactors:
    """Sets factors up and checks codes. ``site_keys`` are the site's secret keys, the current one first."""

    def __init__(
        self, store: FactorStore, audit: Audit, throttle: Throttle, clock: Clock, site_keys: Sequence[str]
    ) -> None:
        self._store = store
        self._audit = audit
        self._throttle = throttle
        self._clock = clock
        self._site_keys = tuple(key.encode() for key in site_keys)

    def is_on(self, user: User) -> bool:
        """Whether the user's logins need a code."""
        factor = self._store.get(user.id)
        return factor is not None and factor.confirmed_at is not None

    def recovery_left(self, user: User) -> int:
        """How many recovery codes are left."""
        factor = self._store.get(user.id)
        return len(factor.recovery) if factor is not None else 0

    def offer(self, user: User) -> Offer:
        """A new secret, not asked for until it is confirmed. Raises Conflict if codes are asked for already."""
        if self.is_on(user):
            raise Conflict("Codes are already asked for; turn them off first")
        factor = SecondFactor(user.id, secrets.token_hex(16), self._clock())
        self._store.put(factor)
        secret = self._secret(self._site_keys[0], factor)
        return Offer(totp.address_of(secret, user.username, ISSUER), totp.in_letters(secret))

    def offered(self, user: User) -> Offer | None:
        """The secret that waits for its confirmation, if one does."""
        factor = self._store.get(user.id)
        if factor is None or factor.confirmed_at is not None:
            return None
        secret = self._secret(self._site_keys[0], factor)
        return Offer(totp.address_of(secret, user.username, ISSUER), totp.in_letters(secret))

    def confirm(self, user: User, code: str, origin: Origin) -> tuple[str, ...]:
        """Ask for codes from now on; the recovery codes, shown this once. Raises WrongCode, Conflict."""
        factor = self._store.get(user.id)
        if factor is None or factor.confirmed_at is not None:
            raise Conflict("There is no secret to confirm")
        with self._throttle.guessing("code", user.username, origin.address):
            step = self._matching_step(factor, code)
            if step is None:
                raise WrongCode(field="code")
        codes = tuple(_recovery_code() for _ in range(RECOVERY_CODES))
        hashes = tuple(self._recovery_hash(self._site_keys[0], user.id, code) for code in codes)
        self._store.put(replace(factor, confirmed_at=self._clock(), last_step=step, recovery=hashes))
        self._audit.record("second_factor_on", user, origin)
        return codes

    def check(self, user: User, code: str, origin: Origin) -> None:
        """Take a code of the app, or a recovery code; each works once. Raises WrongCode, TooManyAttempts."""
        try:
            with self._throttle.guessing("code", user.username, origin.address):
                if not self._takes(user, code):
                    raise WrongCode(field="code")
        except WrongCode:
            self._audit.record("second_factor_refused", user, origin)
            raise

    def remove(self, user: User, origin: Origin, *, by: User | None = None) -> None:
        """Ask for codes no more."""
        if self._store.remove(user.id):
            self._audit.record("second_factor_off", by or user, origin, subject=user.username)

    def _takes(self, user: User, code: str) -> bool:
        factor = self._store.get(user.id)
        if factor is None or factor.confirmed_at is None:
            return False
        typed = re.sub(r"[\s-]", "", code).casefold()
        step = self._matching_step(factor, typed)
        if step is not None:
            return self._store.use_step(user.id, step)
        hashes = (self._recovery_hash(key, user.id, typed) for key in self._site_keys)
        return any(self._store.use_recovery(user.id, hashed) for hashed in hashes if hashed in factor.recovery)

    def _matching_step(self, factor: SecondFactor, code: str) -> int | None:
        code = re.sub(r"\s", "", code)
        steps = (totp.matching_step(self._secret(key, factor), code, self._clock()) for key in self._site_keys)
        return next((step for step in steps if step is not None), None)

    def _secret(self, site_key: bytes, factor: SecondFactor) -> bytes:
        return hmac.new(site_key, b"second factor " + factor.nonce.encode(), hashlib.sha256).digest()[:SECRET_BYTES]

    def _recovery_hash(self, site_key: bytes, user_id: str, code: str) -> str:
        # Short enough to be typed is short enough to be tried out on a stolen database: the site's key is part of it.
        message = f"recovery code {user_id} {code.replace('-', '')}"
        return hmac.new(site_key, message.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"
