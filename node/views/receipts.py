"""Receipts: a file that proves offline that an entry is in a log."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.errors import MissingError, TallyError
from ledger.log.checkpoint import check_cosignature, open_checkpoint, parse_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.note import add_signatures, parse_note, parse_vkey
from ledger.log.receipt import SEEN, Shown, prove_receipt
from ledger.log.statement import parse_statement
from ledger.members.witnessing import is_witnessed
from node.logs import get_log
from node.state import State
from node.store.reader import Reader, StoredNote
from node.store.witness_notes import read_outside

log = get_log(__name__)


def make_receipt(
    reader: Reader, state: State, entry: bytes | tuple[str, int], *, with_payload: bool = False
) -> str:
    """The receipt of an entry, named by its leaf hash or by log and position.

    It is made under the newest witnessed note that covers the entry, else under the newest; of two witnessed
    ones that of more outside witnesses. With its payload it also shows what its log had seen before.

    Raises:
        MissingError: the entry is not here, or its payload is asked for and not here.
    """
    origin, seq = reader.find(entry) if isinstance(entry, bytes) else entry
    data = reader.entry(origin, seq)
    notes = [note for note in _notes(reader, state, origin) if seq < note.size]
    if not notes:
        raise MissingError(
            f"{origin} entry {seq}",
            found="no checkpoint that covers it here",
            expected="a signed checkpoint of a log that is here as far",
            action="wait until its log has been synced",
        )
    note = max(notes, key=lambda note: _worth(state, note))
    salt, payload, seen = (None, None, None)
    if with_payload:
        found = reader.payload(origin, seq)
        if found is None:
            raise MissingError(
                f"{origin} entry {seq}",
                found="no payload here",
                expected="a payload that this home may have",
                action="ask for the receipt without its payload",
            )
        salt, payload = found
        seen = _seen_before(reader, origin, seq)
    hashes = reader.hashes(origin, note.size)
    return prove_receipt(hashes, entry=data, checkpoint=note.note, salt=salt, payload=payload, seen=seen)


def _notes(reader: Reader, state: State, origin: str) -> Iterator[StoredNote]:
    """The notes of a log that can be proven from here, each size once, with every line that is known.

    A note may be of a larger size than the copy: what it covers beyond cannot be proven from here.
    """
    head = state.head(origin)
    kept = {note.size: note.note for note in head.notes()}
    if origin == state.origin:
        for witness, outside in read_outside(reader.database).items():
            _add_outside(kept, state, witness, outside)
    for size, note in kept.items():
        if size <= head.copy.size:
            yield StoredNote(size=size, note=note, proof=())


def _add_outside(kept: dict[int, str], state: State, witness: str, outside: str) -> None:
    """Add what an outside witness cosigned, as far as it holds: one bad line would spoil the receipt.

    It may be of a log that was left for a later one, of entries that were lost, or changed on disk.
    """
    try:
        key, parsed = parse_vkey(witness), parse_note(outside)
        checkpoint = parse_checkpoint(parsed.text)
        own = state.own.copy
        if checkpoint.origin != own.origin or checkpoint.size > own.size:
            return
        lines = [line for line in parsed.signatures if line.is_by(key)]
        for line in lines:
            check_cosignature(outside, line, key)
        held = kept.get(checkpoint.size)
        if held is None:
            open_checkpoint(outside, state.roster.log_key(own.origin, checkpoint.size))
            kept[checkpoint.size] = outside
        elif parse_note(held).text == parsed.text:
            kept[checkpoint.size] = add_signatures(held, "".join(line.line for line in lines))
    except TallyError as error:
        log.warning("a line of an outside witness was left out", witness=witness, error=error)


def _worth(state: State, note: StoredNote) -> tuple[bool, int, int]:
    return is_witnessed(state.roster, note.note), len(parse_note(note.note).signatures), note.size


def _seen_before(reader: Reader, origin: str, seq: int) -> Shown | None:
    """The newest `seen` entry of a log before a position, if its payload is here."""
    rows = reader.database.conn.execute(
        f"SELECT e.seq, e.entry, p.salt, p.payload FROM entry_{reader.number(origin)} e "
        f"JOIN payload_{reader.number(origin)} p ON p.seq = e.seq "
        "WHERE e.seq < ? AND instr(e.entry, ?) ORDER BY e.seq DESC",
        [seq, SEEN.encode()],
    )
    for _, entry, salt, payload in rows:
        # The bytes may stand in a hash, too.
        if parse_entry(entry).kind == SEEN and _is_seen(payload):
            return Shown(entry=entry, salt=salt, payload=payload)
    return None


def _is_seen(payload: bytes) -> bool:
    try:
        return parse_statement(payload, "seen").kind == SEEN
    except TallyError:
        return False  # it fits its entry and is no statement
