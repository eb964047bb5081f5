"""Signed, short-lived links by which a worker fetches a request's files and returns its own.

A link is bound to one lease: it stops working when the attempt is no longer that worker's, and at the latest
after its lifetime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from itsdangerous import BadData, TimestampSigner

from project.core.model import StoredFile
from project.errors import BadSignature

SEPARATOR: Final = "~"
"""Neither ids nor signatures have it, and it needs no escape in an address."""


class Links:
    """Makes and reads links; ``secret_keys`` are newest first. Paths are relative to the site's root."""

    def __init__(self, secret_keys: Sequence[str], *, lifetime_s: float):
        # What came first signs; the signer takes the newest key last.
        oldest_first = list(reversed(secret_keys))
        self._download = TimestampSigner(oldest_first, salt="worker-download", sep=SEPARATOR)
        self._upload = TimestampSigner(oldest_first, salt="worker-upload", sep=SEPARATOR)
        self._lifetime_s = lifetime_s

    def download_path(self, file: StoredFile, lease_id: str) -> str:
        """Where the holder of the lease fetches a file."""
        return f"/websockets/work/files/{_signed(self._download, file.id, file.request_id, lease_id)}"

    def upload_path(self, request_id: str, lease_id: str) -> str:
        """Where the holder of the lease returns files."""
        return f"/websockets/work/results/{_signed(self._upload, request_id, lease_id)}"

    def read_download(self, token: str) -> tuple[str, str, str]:
        """``(file_id, request_id, lease_id)``. Raises BadSignature."""
        file_id, request_id, lease_id = self._read(self._download, token, 3)
        return file_id, request_id, lease_id

    def read_upload(self, token: str) -> tuple[str, str]:
        """``(request_id, lease_id)``. Raises BadSignature."""
        request_id, lease_id = self._read(self._upload, token, 2)
        return request_id, lease_id

    def _read(self, signer: TimestampSigner, token: str, count: int) -> list[str]:
        try:
            values = signer.unsign(token, max_age=int(self._lifetime_s)).decode("ascii").split(SEPARATOR)
        except (BadData, ValueError):
            raise BadSignature from None
        if len(values) != count:
            raise BadSignature
        return values


def _signed(signer: TimestampSigner, *values: str) -> str:
    return signer.sign(SEPARATOR.join(values)).decode("ascii")
