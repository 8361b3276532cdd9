"""What a home must not forget between two starts, lest it sign a position twice: the file `hearing` in it.

    {"contradicted": note or "", "lacking": [[kind, size], …], "origin": log, "waiting": true or false}

- `waiting`: its partners have still to be heard (`node.sync.hearing`). A home that only learnt from a partner
  that it is older than its log is in its place otherwise, and would write at its next start.
- `contradicted`: a signed head of the own log that its entries here contradict.
- `lacking`: of own entries that were fetched back and whose payload nobody could give, what is known of the
  payload. A repeated write that could be one of them is refused (`node.drafts`).

It is about the log that it names; of another log it says nothing. Where there is no file, nothing is to be
remembered; one that cannot be read counts as waiting.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from node.disk import remove_file, write_whole

CAUTION_FILE = "hearing"
MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What is to be remembered of one log."""

    waiting: bool = False
    contradicted: str = ""
    lacking: frozenset[tuple[str, int]] = frozenset()


def read_caution(home: Path, origin: str) -> Caution:
    """What is remembered of a log in its home."""
    try:
        with (home / CAUTION_FILE).open("rb") as file:
            value = json.loads(file.read(MAX_FILE_BYTES))
        said = value["origin"]
        if isinstance(said, str) and said != origin:
            return Caution()
        return Caution(
            waiting=bool(value["waiting"]),
            contradicted=str(value["contradicted"]),
            lacking=frozenset((str(kind), int(size)) for kind, size in value["lacking"]),
        )
    except FileNotFoundError:
        return Caution()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Caution(waiting=True)


def write_caution(home: Path, origin: str, caution: Caution) -> None:
    """Remember this of a log, on disk when this returns."""
    path = home / CAUTION_FILE
    if caution == Caution():
        remove_file(path)
        return
    value = {
        "contradicted": caution.contradicted,
        "lacking": sorted(caution.lacking),
        "origin": origin,
        "waiting": caution.waiting,
    }
    write_whole(path, json.dumps(value).encode() + b"\n")
