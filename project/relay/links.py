"""Signed, short-lived links by which a worker fetches a request's files and returns its own.

A link is bound to one lease: it stops working when the attempt is no longer that worker's, and at the latest
after its lifetime.
"""

from __future__ import annotations

from collections.abc import Sequence

from itsdangerous import BadData, URLSafeTimedSerializer

from project.core.model import StoredFile
from project.errors import BadSignature


class Links:
    """Makes and reads links; ``secret_keys`` are newest first. Paths are relative to the site's root."""

    def __init__(self, secret_keys: Sequence[str], *, lifetime_s: float):
        # What came first signs; the signer takes the newest key last.
        oldest_first = list(reversed(secret_keys))
        self._download = URLSafeTimedSerializer(oldest_first, salt="worker-download")
        self._upload = URLSafeTimedSerializer(oldest_first, salt="worker-upload")
        self._lifetime_s = lifetime_s

    def download_path(self, file: StoredFile, lease_id: str) -> str:
        """Where the holder of the lease fetches a file."""
        return f"/websockets/work/files/{self._download.dumps([file.id, file.request_id, lease_id])}"

    def upload_path(self, request_id: str, lease_id: str) -> str:
        """Where the holder of the lease returns files."""
        return f"/websockets/work/results/{self._upload.dumps([request_id, lease_id])}"

    def read_download(self, token: str) -> tuple[str, str, str]:
        """``(file_id, request_id, lease_id)``. Raises BadSignature."""
        file_id, request_id, lease_id = self._read(self._download, token, 3)
        return file_id, request_id, lease_id

    def read_upload(self, token: str) -> tuple[str, str]:
        """``(request_id, lease_id)``. Raises BadSignature."""
        request_id, lease_id = self._read(self._upload, token, 2)
        return request_id, lease_id

    def _read(self, serializer: URLSafeTimedSerializer, token: str, count: int) -> list[str]:
        try:
            values = serializer.loads(token, max_age=int(self._lifetime_s))
        except BadData:
            raise BadSignature from None
        if not isinstance(values, list) or len(values) != count:
            raise BadSignature
        return [str(value) for value in values]
