"""Fixtures that every part of the test suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of cases that nobody on this project wrote; skips where it is absent."""
    folder = Path(os.environ.get("CONFORMANCE", ROOT.parent / "shared" / "conformance"))
    if not folder.is_dir():
        pytest.skip(f"no conformance data at {folder}: set CONFORMANCE")
    return folder
