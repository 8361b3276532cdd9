"""The same bytes under other hash seeds, time zones, locales, optimization and Pythons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parent.parent.parent
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = [version for version in ("3.11", "3.12", "3.13") if version != THIS]


def digests(conformance: Path, python: str = sys.executable, **environment: str) -> dict[str, str]:
    """What a new process comes to; the packages are those of this one."""
    done = subprocess.run(
        [python, "-W", "error", "-m", "tests.contracts.everywhere", str(conformance)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": sysconfig.get_path("purelib"), **environment},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def interpreters(version: str) -> Iterator[str]:
    """Where a version of Python may be."""
    if found := which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(str(path) for path in pyenv.glob(f"versions/{version}*/bin/python"))


def runs(python: str, version: str) -> bool:
    """Whether it is one of that version: a shim of pyenv may stand for none."""
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


@pytest.fixture(scope="module")
def plain(conformance: Path) -> dict[str, str]:
    """What this machine gives as it is."""
    return digests(conformance, PYTHONHASHSEED="0")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONOPTIMIZE": "2"},
    ],
    ids=["seed", "east", "west"],
)
def test_the_environment_does_not_matter(
    conformance: Path, plain: dict[str, str], environment: dict[str, str]
) -> None:
    assert digests(conformance, **environment) == plain


@pytest.mark.parametrize("version", OTHERS)
def test_the_version_of_python_does_not_matter(
    conformance: Path, plain: dict[str, str], version: str
) -> None:
    python = next((path for path in interpreters(version) if runs(path, version)), None)
    if python is None:
        pytest.skip(f"no Python {version} is here")
    assert digests(conformance, python, PYTHONHASHSEED="3") == plain
