"""What can go wrong with a backup.

SpacesError
└── BackupError
    ├── NothingToBackUp   create
    ├── ArchiveExists     create
    ├── ArchiveInvalid    verify, restore
    └── FolderNotEmpty    restore
"""

from __future__ import annotations

from project.errors import SpacesError


class BackupError(SpacesError):
    """The backup could not be made or brought back."""

    code = "backup_failed"


class NothingToBackUp(BackupError):
    """There is no database of a site there, or not one that can be copied."""

    code = "nothing_to_back_up"


class ArchiveExists(BackupError):
    """There is a file of that name; an archive is never overwritten."""

    code = "archive_exists"


class ArchiveInvalid(BackupError):
    """That is not an archive, or not a whole one."""

    code = "archive_invalid"


class FolderNotEmpty(BackupError):
    """There is something in that folder; a backup is restored into an empty one only."""

    code = "folder_not_empty"
