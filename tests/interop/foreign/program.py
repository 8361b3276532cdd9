"""The verifier as a program."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from .bundle import verify_bundle
from .encoding import Refused
from .evidence import verify_evidence
from .log import Fetch, verify_log
from .note import Head, read_vkey
from .policy import read_policy, verify_receipt_by_policy
from .receipt import verify_receipt

USAGE = """usage: foreign log URL-OR-FOLDER VKEY [WITNESS-VKEY...]
       foreign receipt FILE VKEY [WITNESS-VKEY...]
       foreign policy FILE POLICY
       foreign evidence FOLDER
       foreign bundle FILE
"""


def fetcher(place: str) -> Fetch:
    """Reads under a URL or in a folder."""
    if "://" not in place:
        return lambda path: Path(place, path).read_bytes()

    def fetch(path: str) -> bytes:
        with urllib.request.urlopen(f"{place.rstrip('/')}/{path}", timeout=30) as answer:
            return bytes(answer.read())

    return fetch


def _head(head: Head) -> str:
    return f"{head.origin}: {head.size} entries, root {head.root.hex()}"


def _log(place: str, log: str, *witnesses: str) -> str:
    return _head(verify_log(fetcher(place), read_vkey(log), map(read_vkey, witnesses))[0])


def _receipt(place: str, log: str, *witnesses: str) -> str:
    return _head(verify_receipt(Path(place).read_bytes(), read_vkey(log), map(read_vkey, witnesses)).head)


def _policy(place: str, policy: str) -> str:
    read = read_policy(Path(policy).read_bytes())
    return _head(verify_receipt_by_policy(Path(place).read_bytes(), read).head)


def _evidence(place: str) -> str:
    found = verify_evidence({path.name: path.read_bytes() for path in Path(place).iterdir()})
    return f"{found.accused}: {found.kind}"


def _bundle(place: str) -> str:
    found = verify_bundle(Path(place).read_bytes())
    rows = [f"{log.origin}: {len(log.entries)} of {log.size} entries" for log in found.logs.values()]
    return "\n".join([f"{found.what} {found.subject}", *rows])


COMMANDS: dict[str, tuple[Callable[..., str], int, int]] = {
    "log": (_log, 2, 1000),
    "receipt": (_receipt, 2, 1000),
    "policy": (_policy, 2, 2),
    "evidence": (_evidence, 1, 1),
    "bundle": (_bundle, 1, 1),
}
"""What each takes, with the least and the greatest number of arguments."""


def main(arguments: Sequence[str]) -> int:
    """Verify what the arguments name; 0 if it holds."""
    name, *more = [*arguments, ""]
    command, least, most = COMMANDS.get(name, (None, 0, 0))
    if command is None or not least <= len(more) - 1 <= most:
        sys.stderr.write(USAGE)
        return 2
    try:
        found = command(*more[:-1])
    except Refused as error:
        sys.stdout.write(f"refused: {error}\n")
        return 1
    sys.stdout.write(found + "\n")
    return 0
