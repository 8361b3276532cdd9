"""Nodes whose writer commits in the thread that asks: for networks in one process. Not a test module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from node.jobs import Job, JobQueue
from node.node import Node


class _AtOnce(JobQueue[Any]):
    """Has the writer commit in the thread that asks, each job for itself; its own thread only waits."""

    def __init__(self, commit: Callable[[Sequence[Job[Any]]], None]) -> None:
        super().__init__()
        self._commit_jobs = commit
        self._one = RLock()

    def put(self, job: Job[Any]) -> None:
        job.future.set_running_or_notify_cancel()
        with self._one:
            self._commit_jobs([job])


def write_at_once(node: Node) -> None:
    """Have a node that has not started commit without another thread, and without waiting for the disk.

    Nothing here dies with its machine, and threads that wait for each other cost more than all else.
    """
    node._database.execute("PRAGMA synchronous = OFF")
    node.writer._jobs = _AtOnce(node.writer._commit)
