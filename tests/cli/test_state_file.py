"""The state file of `tally verify --state`: it saves work, and a file that lies is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from cli.state_file import FIRST_LINE, KEY_FILE, SEAL_BYTES, StateFile, open_state, seal_record
from ledger.audit.log import LogAudit, audit_log
from ledger.audit.members import Known
from ledger.audit.ranges import RangeResult, RangeWork
from ledger.audit.source import RANGE_ENTRIES, KeptNote, Range
from ledger.errors import InvalidError, TallyError, UsageError
from ledger.log.checkpoint import Checkpoint, seal_checkpoint
from ledger.log.entry import commit_to, leaf_hash, seal_entries
from ledger.log.note import log_vkey
from ledger.log.statement import Statement, format_statement
from ledger.log.tree import Frontier

SEED = sha256(b"a log to go on with").digest()
NETWORK = sha256(b"its network").digest()
ORIGIN = f"acme/{NETWORK[:8].hex()}"
KNOWN = Known(vkey=log_vkey(ORIGIN, SEED))
SALT = b"s" * 16
SIZE = 3 * RANGE_ENTRIES + 100


@dataclass(slots=True)
class Log:
    """A log in memory that counts which ranges are read."""

    rows: list[bytes]
    payload: bytes
    kept: list[KeptNote]
    origin: str = ORIGIN
    holds_payloads: bool = True
    read: list[int] = field(default_factory=list)

    def count(self) -> int:
        return len(self.rows)

    def entries(self, start: int, end: int) -> list[tuple[int, bytes]]:
        self.read.append(start)
        return list(enumerate(self.rows[start:end], start))

    def payloads(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        return [(seq, SALT, self.payload) for seq in range(max(start, 1), min(end, len(self.rows)))]

    def notes(self) -> list[KeptNote]:
        return self.kept

    def strays(self) -> tuple[Sequence[int], Sequence[int]]:
        return (), ()

    def remembered(self, start: int, end: int) -> dict[int, bytes]:
        return {}

    def tile_hashes(self, level: int, start: int, count: int) -> bytes | None:
        return None


@pytest.fixture(scope="module")
def rows() -> tuple[list[bytes], bytes, list[KeptNote]]:
    statement = Statement(kind="memo", audience=None, body={"text": "the same"}, nonce=b"n" * 16)
    payload = format_statement(statement)
    commit = commit_to(SALT, payload)
    kinds = ["log.open", *["memo"] * (SIZE - 1)]
    entries = seal_entries(NETWORK, 0, 1_700_000_000_000, [(kind, len(payload), commit) for kind in kinds])
    root = Frontier().extended([leaf_hash(entry) for entry in entries]).root()
    note = seal_checkpoint(Checkpoint(origin=ORIGIN, size=SIZE, root=root), SEED)
    return entries, payload, [KeptNote(size=SIZE, note=note.encode())]


@pytest.fixture
def log(rows: tuple[list[bytes], bytes, list[KeptNote]]) -> Log:
    return Log(list(rows[0]), rows[1], list(rows[2]))


@pytest.fixture
def opened(tmp_path: Path) -> Iterable[Callable[[], StateFile]]:
    """Opens the state file anew, as each run of the command does."""
    files: list[StateFile] = []

    def again(target: str = "home") -> StateFile:
        for file in files:
            file.close()
        files.append(open_state(tmp_path / "state", tmp_path / "machine", target=target))
        return files[-1]

    yield again
    for file in files:
        file.close()


def audit(log: Log, state: StateFile) -> LogAudit:
    log.read.clear()
    return audit_log(log, KNOWN, run=state.wrap(map))


def ranges_read(log: Log) -> set[int]:
    return {(start + 1) // RANGE_ENTRIES for start in log.read if start != RANGE_ENTRIES * 3 + 1}


def test_a_second_run_reads_the_newest_recorded_range_and_what_was_not_whole(
    log: Log, opened: Callable[[], StateFile]
) -> None:
    first = audit(log, opened())
    assert ranges_read(log) == {0, 1, 2, 3}
    state = opened()
    second = audit(log, state)
    assert ranges_read(log) == {2, 3}
    assert (second.root, second.size, second.counts) == (first.root, first.size, first.counts)
    assert [finding.code for finding in second.findings] == [f.code for f in first.findings] == []
    assert [(item.count, item.first) for item in state.told()] == [(2 * RANGE_ENTRIES, 0)]


def test_a_run_that_was_stopped_goes_on_where_it_was(log: Log, opened: Callable[[], StateFile]) -> None:
    def stopped(work: RangeWork, ranges: Iterable[Range]) -> Iterable[RangeResult]:
        for number, span in enumerate(ranges):
            if number == 2:
                raise KeyboardInterrupt
            yield work(span)

    with pytest.raises(KeyboardInterrupt):
        audit_log(log, KNOWN, run=opened().wrap(stopped))
    assert not len(audit(log, opened()).findings)
    assert ranges_read(log) == {1, 2, 3}


def test_a_record_that_was_not_written_whole_is_checked_again(
    log: Log, opened: Callable[[], StateFile], tmp_path: Path
) -> None:
    audit(log, opened())
    data = (tmp_path / "state").read_bytes()
    for cut in (1, 50, len(data) - len(FIRST_LINE) - 10, len(data) - 5):
        (tmp_path / "state").write_bytes(data[:-cut])
        assert not len(audit(log, opened()).findings)
    assert not len(audit(log, opened()).findings)
    assert ranges_read(log) == {2, 3}


def test_what_one_holder_showed_does_not_stand_for_what_another_shows(
    log: Log, opened: Callable[[], StateFile]
) -> None:
    state = opened()
    assert not len(audit(log, state).findings)
    log.rows[RANGE_ENTRIES // 2] = log.rows[RANGE_ENTRIES // 2 + 1]
    log.read.clear()
    other = audit_log(log, KNOWN, run=state.wrap(map, "bolt"))
    assert ranges_read(log) >= {0, 1, 2, 3}
    assert len(other.findings)


def test_a_range_in_which_something_is_wrong_is_looked_at_every_time(
    log: Log, opened: Callable[[], StateFile]
) -> None:
    log.rows[20_000] = log.rows[20_000][:-1] + bytes([log.rows[20_000][-1] ^ 1])
    first = audit(log, opened())
    second = audit(log, opened())
    assert 1 in ranges_read(log)
    assert [f.code for f in first.findings] == [f.code for f in second.findings]
    assert "chain-changed" in [f.code for f in first.findings]


def test_a_home_that_changed_where_the_newest_record_is_gets_read_whole(
    log: Log, opened: Callable[[], StateFile]
) -> None:
    audit(log, opened())
    at = 2 * RANGE_ENTRIES + 7
    log.rows[at] = log.rows[at][:-1] + bytes([log.rows[at][-1] ^ 1])
    found = audit(log, opened())
    assert ranges_read(log) == {0, 1, 2, 3}
    assert ("chain-changed", at) in [(f.code, f.position) for f in found.findings]


def test_a_log_of_other_entries_does_not_get_the_signed_root(
    log: Log, opened: Callable[[], StateFile]
) -> None:
    """What the file says of ranges that are not read again must lead to the root that is signed now."""
    audit(log, opened())
    other = seal_checkpoint(Checkpoint(origin=ORIGIN, size=SIZE, root=bytes(32)), SEED)
    log.kept = [KeptNote(size=SIZE, note=other.encode())]
    assert "note-root" in [finding.code for finding in audit(log, opened()).findings]


@pytest.mark.parametrize("at", [0, 5, 30, 60, 120, 200, 300, -40, -1])
def test_a_changed_byte_is_refused_or_saves_less_work(
    log: Log, opened: Callable[[], StateFile], tmp_path: Path, at: int
) -> None:
    audit(log, opened())
    data = bytearray((tmp_path / "state").read_bytes())
    data[at] ^= 1
    (tmp_path / "state").write_bytes(data)
    try:
        state = opened()
    except (InvalidError, UsageError):
        return
    assert not len(audit(log, state).findings)
    assert state.taken.get(ORIGIN, 0) < 2 * RANGE_ENTRIES


def test_a_record_left_out_is_refused(log: Log, opened: Callable[[], StateFile], tmp_path: Path) -> None:
    audit(log, opened())
    data = (tmp_path / "state").read_bytes()
    starts = [len(FIRST_LINE)]
    while starts[-1] < len(data):
        length = int.from_bytes(data[starts[-1] : starts[-1] + 4])
        starts.append(starts[-1] + 4 + SEAL_BYTES + length)
    (tmp_path / "state").write_bytes(data[: starts[1]] + data[starts[2] :])
    with pytest.raises(InvalidError, match="changed, or that another machine"):
        opened()


def test_the_file_of_another_machine_is_refused(
    log: Log, opened: Callable[[], StateFile], tmp_path: Path
) -> None:
    audit(log, opened())
    (tmp_path / "machine" / KEY_FILE).write_bytes(b"k" * 32)
    with pytest.raises(InvalidError):
        opened()


def test_a_file_sealed_with_the_key_of_nobody_is_refused(
    opened: Callable[[], StateFile], tmp_path: Path
) -> None:
    body = b"\x92\x01\xa4home"
    record = len(body).to_bytes(4) + seal_record(bytes(32), b"", body) + body
    (tmp_path / "state").write_bytes(FIRST_LINE + record)
    with pytest.raises(InvalidError):
        opened()


def test_the_state_of_another_target_is_refused(opened: Callable[..., StateFile]) -> None:
    opened("home")
    with pytest.raises(UsageError, match="another target"):
        opened("another home")


def test_any_other_file_is_refused_and_left_as_it_is(opened: Callable[[], StateFile], tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a letter to somebody")
    with pytest.raises(TallyError):
        opened()
    assert (tmp_path / "state").read_bytes() == b"a letter to somebody"
