"""Uploads stream to the vault as they come, hashed and measured; what no accepted request owns is removed again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from flask import Request, g, request
from werkzeug.datastructures import FileStorage

from project.core.model import FileField, StoredFile
from project.core.model import Request as AcceptedRequest
from project.errors import BadInput, FieldInvalid, FileNotFound, TooLarge, TryLater
from project.storage.files import IncomingFile
from project.web.antivirus import scan
from project.web.parsing import BoundedFormParser
from project.web.site import current_site

MOST_NAME_CHARS = 150
MOST_TEXT_BYTES = 2 * 1024 * 1024
"""A prompt travels as a form field, percent-encoded up to twelve bytes a character; the framework's default of half
a megabyte is raised knowingly."""
MOST_PARTS = 50
TAKES_FILES = frozenset({"submissions.submit", "clients.process"})
"""Endpoints whose forms may carry files. Elsewhere nobody may fill the disk, least of all before a login."""
TAKES_MUCH = TAKES_FILES | {"files.give_back"}
"""Endpoints whose bodies may be as large as the site takes. Elsewhere a thousand strangers must not fill the memory."""
MOST_FORM_BYTES = 256 * 1024
_SNIFFED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "audio/mpeg"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"....ftypM4A", re.DOTALL), "audio/mp4"),
    (re.compile(rb"....ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
)
UNKNOWN = "application/octet-stream"
_TAKEN_AS: dict[str, tuple[str, ...]] = {"audio_file": ("audio/", "video/"), "video_file": ("video/", "audio/")}
"""What the field's files may begin as: containers of sound and of pictures that move look alike."""
INERT = frozenset(kind for _, kind in _SNIFFED)
"""Types that a browser only shows or plays. Anything else is served as a download."""


class UploadRequest(Request):
    """A request whose file parts go straight to the vault, under random names."""

    max_form_memory_size = MOST_TEXT_BYTES
    max_form_parts = MOST_PARTS
    form_data_parser_class = BoundedFormParser

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.endpoint not in TAKES_FILES:
            raise BadInput("This address takes no files")
        incoming = current_site().vault.receive()
        received().append(incoming)
        return incoming  # type: ignore[return-value]


def bound_body() -> None:
    """Before a view: the body may be as large as its address takes, be its length told or not."""
    if request.endpoint not in TAKES_MUCH:
        request.max_content_length = MOST_FORM_BYTES


def received() -> list[IncomingFile]:
    """Files of the current request that nobody has decided on yet."""
    if "incoming" not in g:
        g.incoming = []
    found: list[IncomingFile] = g.incoming
    return found


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Uploaded files that are durable; what no request is said to have by the end of the web request is removed."""

    files: tuple[StoredFile, ...]

    def belong_to(self, request: AcceptedRequest) -> None:
        """These of the files are the request's. One that was sent before has its files already, and none of these."""
        for file in request.files:
            forget_received(file.id)


@contextmanager
def kept_files(chosen: list[tuple[FileField, FileStorage]], now: float) -> Iterator[KeptFiles]:
    """Uploaded files, durable inside the block, where it must be said whose they are; if it fails, they are removed.

    Unless it failed after the request was accepted: a request that is on record never loses its files.
    Raises TooLarge for more than the site takes at once, FieldInvalid for a file that is plainly of another kind than
    its field, FileRefused, ScannerUnavailable and DiskFull.
    """
    site = current_site()
    incoming: list[IncomingFile] = []
    files: list[StoredFile] = []
    for field, stored in chosen:
        file = stored.stream
        assert isinstance(file, IncomingFile)
        incoming.append(file)
        files.append(record(file, field=field, name=stored.filename or "", now=now))
        _check_kind(files[-1])
    if sum(stored_file.size_bytes for stored_file in files) > site.settings.max_upload_bytes:
        raise TooLarge(f"At most {site.settings.max_upload_bytes} bytes of files are taken at once")
    for received_file in incoming:
        keep(received_file)
    try:
        yield KeptFiles(tuple(files))
    except BaseException:
        for kept in files:
            if _is_wanted(kept):
                forget_received(kept.id)
        raise


@contextmanager
def kept_file(file: StoredFile) -> Iterator[None]:
    """As ``kept_files``, of one that is durable already: if the block fails, it is removed unless it is on record."""
    try:
        yield
    except BaseException:
        if _is_wanted(file):
            forget_received(file.id)
        raise
    forget_received(file.id)


def keep(incoming: IncomingFile) -> None:
    """Make a received file durable, once it has been scanned if there is a scanner."""
    site = current_site()
    if site.settings.clamd:
        scan(site.settings.clamd, incoming)  # type: ignore[arg-type]
    site.runtime.run_blocking(incoming.keep)


def _check_kind(file: StoredFile) -> None:
    """Raise FieldInvalid for a picture that says it is a sound, and the like. What nobody knows is let through."""
    kinds = _TAKEN_AS.get(file.field)
    if kinds and file.content_type != UNKNOWN and not file.content_type.startswith(kinds):
        raise FieldInvalid(f"{file.field} is {file.content_type}, whatever it is called", field=file.field)


def _is_wanted(file: StoredFile) -> bool:
    """Whether a request on record has the file. When nobody can say, yes: the sweep takes it later if not."""
    try:
        current_site().relay.file(file.id)
    except FileNotFound:
        return False
    except TryLater:
        return True
    return True


def forget_received(file_id: str) -> None:
    """The file belongs to a request now: leave it where it is when the web request ends."""
    g.incoming = [file for file in received() if file.id != file_id]


def record(file: IncomingFile, *, field: FileField, name: str, now: float, request_id: str = "") -> StoredFile:
    """The record of a received file; its type is what its first bytes say, never what the sender says."""
    return StoredFile(
        id=file.id,
        request_id=request_id,
        field=field,
        name=clean_name(name),
        content_type=sniffed(file.head),
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        created_at=now,
    )


def discard_received(_error: Any = None) -> None:
    """Remove what the request brought and nobody kept."""
    for file in received():
        file.discard()
    received().clear()


def sniffed(head: bytes) -> str:
    """The media type of a file that begins so, or ``application/octet-stream``."""
    return next((kind for pattern, kind in _SNIFFED if pattern.match(head)), UNKNOWN)


def clean_name(name: str) -> str:
    """A file name as people see it: no folders, no characters that cannot be seen or that turn the text around."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(char for char in last if not unicodedata.category(char).startswith("C"))
    return visible.strip(" .")[:MOST_NAME_CHARS] or "file"
