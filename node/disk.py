"""Files and folders that are on disk whole or not at all, also where the machine dies in between.

A rename is on disk only once the folder that it happened in was synced. What the system refuses becomes an
`UnavailableError` that names the path.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.errors import ConflictError, UnavailableError


def write_whole(path: Path, content: bytes, *, action: str = "") -> None:
    """Put a small private file on disk, replacing the one before.

    Dying before the rename leaves only a temporary file that nobody reads; after it, the new file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_EXCL, 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error, action) from error


def remove_file(path: Path) -> None:
    """Take a file away for good; one that is not there is no failure."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """A private folder that takes the place of `path` when the block ends well, and is gone when it does not.

    Dying inside the block leaves `.<name>.<process>.new` beside the path, which nobody reads. Files that are
    made in the block have to be on disk by themselves.

    Raises:
        ConflictError: there is something at that path.
        UnavailableError: the disk refuses.
    """
    try:
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise ConflictError(
                str(path),
                found="something is there",
                expected="a new or empty folder",
                action="choose another folder",
            )
        draft = path.with_name(f".{path.name}.{os.getpid()}.new")
        draft.mkdir(mode=0o700, parents=True)
        try:
            yield draft
            for folder in (draft, *(inner for inner in draft.rglob("*") if inner.is_dir())):
                sync_folder(folder)
            draft.rename(path)  # an empty folder at that path gives way
            sync_folder(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise unwritable(path, error) from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    with suppress(PermissionError):  # systems that do not open folders do not need it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def unwritable(path: Path, error: OSError, action: str = "") -> UnavailableError:
    """What the system refused, as an expected failure."""
    return UnavailableError(
        str(path),
        found=error.strerror or str(error) or "cannot be written",
        expected="a place to write to",
        action=action or "check the disk and the permissions of the folder",
    )
