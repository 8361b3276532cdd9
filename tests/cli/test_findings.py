"""Every finding has an example: a home, or logs, out of which an audit makes it."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.means import Means
from cli.rules import EVERY_RULE
from cli.targets import verify_target
from ledger.audit.finding import CODES
from ledger.audit.home import audit_logs
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.note import add_signatures
from ledger.log.statement import PersonSignature
from ledger.members.reopening import Reopening, seal_opening
from tests.attacks import pieces as made
from tests.attacks import small_home
from tests.ledger.audit import small_logs
from tests.ledger.audit.conftest import _make_log as make_log

NOW_MS = small_logs.NOW_MS


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(small_home.make_small_home(tmp_path_factory.mktemp("pristine")))


def newest_note(database: sqlite3.Connection, log: int = 1) -> str:
    sql = "SELECT note FROM checkpoint WHERE log = ? ORDER BY size DESC LIMIT 1"
    return str(database.execute(sql, (log,)).fetchone()[0])


def set_note(database: sqlite3.Connection, note: str) -> None:
    newest = "(SELECT max(size) FROM checkpoint WHERE log = 1)"
    database.execute(f"UPDATE checkpoint SET note = ? WHERE log = 1 AND size = {newest}", (note,))


def add_stranger(database: sqlite3.Connection) -> None:
    note = newest_note(database)
    set_note(database, add_signatures(note, cosign(note, "nobody/0123456789abcdef/witness", b"n" * 32, 7)))


def spoil_cosignature(database: sqlite3.Connection) -> None:
    rows = database.execute("SELECT size, note FROM checkpoint WHERE log = 1").fetchall()
    size, note = next((size, note) for size, note in rows if "bolt/" in note)
    head, _, last = note.rstrip("\n").rpartition(" ")
    line = bytearray(base64.b64decode(last))
    line[-1] ^= 1
    spoilt = f"{head} {base64.b64encode(line).decode()}\n"
    database.execute("UPDATE checkpoint SET note = ? WHERE log = 1 AND size = ?", (spoilt, size))


def run_sql(sql: str) -> Callable[[sqlite3.Connection], None]:
    def run(database: sqlite3.Connection) -> None:
        database.execute(sql)

    return run


IN_A_HOME: Mapping[str, Callable[[sqlite3.Connection], None]] = {
    "chain-malformed": run_sql("UPDATE entry_1 SET entry = x'00' WHERE seq = 40"),
    "note-cosignature": spoil_cosignature,
    "note-place": run_sql(
        "UPDATE checkpoint SET size = 5 "
        "WHERE log = 1 AND size = (SELECT min(size) FROM checkpoint WHERE log = 1)"
    ),
    "note-proof": run_sql("UPDATE checkpoint SET proof = zeroblob(32) WHERE log = 1"),
    "note-stranger": add_stranger,
    "payload-lost": run_sql("DELETE FROM payload_1 WHERE seq = 1"),
    "payload-stray": run_sql(
        "INSERT INTO payload_1 SELECT 999999, salt, payload FROM payload_1 WHERE seq = 1"
    ),
}


def of(name: str, *told: tuple[str, Mapping[str, Any], int], **more: Any) -> Any:
    return small_logs.make_log_of(make_log, made, name, told, **more)


def with_founder(*logs: Any) -> list[Any]:
    return [small_logs.founder_log(make_log, made, logs), *logs]


def another_opening(**more: Any) -> list[Any]:
    """Bolt's log, opened otherwise than it was admitted."""
    return [with_founder(of("bolt"))[0], of("bolt", **more)]


def head_by_nobody() -> list[Any]:
    bolt = of("bolt")
    head = seal_checkpoint(Checkpoint(origin=bolt.origin, size=1, root=bytes(32)), b"n" * 32)
    return with_founder(bolt, of("cord", ("seen", {"heads": [head]}, NOW_MS)))


def signed_by_nobody() -> list[Any]:
    signature = PersonSignature(key=bytes(32), role="director", signature=bytes(64))
    return with_founder(of("bolt", ("memo", {"text": "signed"}, NOW_MS), signatures=[signature]))


def proposal_of_nothing() -> list[Any]:
    body = {"document": b"no contract", "replaces": None, "until": None}
    return with_founder(of("bolt", ("agreement.propose", body, NOW_MS)))


def later_log_of_a_thief() -> list[Any]:
    """A second log of bolt, opened under a recovery key that the first one did not name."""
    bolt = of("bolt")
    reopening = Reopening(
        founding=made.FOUNDING,
        organization="bolt",
        title="bolt",
        number=2,
        keys=made.member_keys("bolt", " 2"),
        pin=bolt.kept[-1].note.decode(),
    )
    body = seal_opening(reopening, b"t" * 32)
    later = of("bolt", opening=body)
    later.origin = f"{bolt.origin}/2"
    return [*with_founder(bolt), later]


IN_LOGS: Mapping[str, Callable[[], Sequence[Any]]] = {
    "document-form": proposal_of_nothing,
    "head-signature": head_by_nobody,
    "member-opening": lambda: another_opening(title="Another"),
    "member-other-log": lambda: another_opening(opened_ms=NOW_MS + 1),
    "opening-recovery": later_log_of_a_thief,
    "person-signature": signed_by_nobody,
}


@pytest.mark.parametrize("code", IN_A_HOME)
def test_a_home_that_was_changed_so_gives_this_finding(
    code: str, pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_STATE_DIR", str(tmp_path / "state"))
    home = Path(shutil.copytree(pristine, tmp_path / "home"))
    database = sqlite3.connect(home / "tally.db", isolation_level=None)
    IN_A_HOME[code](database)
    database.close()
    assert code in {finding.code for finding in verify_target(str(home), Means()).findings}


@pytest.mark.parametrize("code", IN_LOGS)
def test_logs_that_say_so_give_this_finding(code: str) -> None:
    logs = IN_LOGS[code]()
    audits, wrong = audit_logs(logs, own=logs[0].origin, rules=EVERY_RULE)
    found = [*wrong, *(finding for audit in audits for finding in audit.findings)]
    assert code in {finding.code for finding in found}


def test_every_code_has_an_example() -> None:
    """Those that are not above are made by the tests of what they are about, which name them."""
    elsewhere = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(__file__).resolve().parents[1].rglob("test_*.py")
        if path.name not in ("test_findings.py", "test_report_page.py")
    )
    lacking = [code for code in CODES if code not in {*IN_A_HOME, *IN_LOGS} and f'"{code}"' not in elsewhere]
    assert lacking == []
