"""The lock of a home: one process at a time has it open, or writes to it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ledger.errors import ConflictError, UnavailableError

LOCK_FILE = "lock"


class HomeLock:
    """The right to open a home, given up by `release`, by leaving the block, or when the process dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets another process open the home."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> HomeLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_home(home: Path) -> HomeLock:
    """Takes the home for this process, or says which process has it.

    The file stays when the lock goes: removing it would let two processes lock two files of one name.
    """
    path = home / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UnavailableError(str(path), found=error.strerror or "cannot be opened") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise ConflictError(
            str(home),
            found=f"opened by process {holder}",
            expected="one process at a time",
            action=f"Use the running node, or end process {holder} first.",
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise UnavailableError(str(path), found=error.strerror or "cannot be locked") from error
    return HomeLock(descriptor)
