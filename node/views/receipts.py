"""Receipts: a file that proves offline that an entry is in a log."""

from __future__ import annotations

from ledger.errors import MissingError
from ledger.log.receipt import prove_receipt
from node.state import State
from node.store.reader import Reader


def make_receipt(
    reader: Reader, state: State, entry: bytes | tuple[str, int], *, with_payload: bool = False
) -> str:
    """The receipt of an entry, named by its leaf hash or by log and position.

    It is made under the newest witnessed note that covers the entry, else under the newest.

    Raises:
        MissingError: the entry is not here, or its payload is asked for and not here.
    """
    origin, seq = reader.find(entry) if isinstance(entry, bytes) else entry
    data = reader.entry(origin, seq)
    head = state.head(origin)
    notes = [note for note in (head.witnessed, head.newest) if note is not None]
    # A note may be of a larger size than the copy: what it covers beyond cannot be proven from here.
    note = next((note for note in notes if seq < note.size <= head.copy.size), None)
    if note is None:
        raise MissingError(
            f"{origin} entry {seq}",
            found="no checkpoint that covers it here",
            expected="a signed checkpoint of a log that is here as far",
            action="wait until its log has been synced",
        )
    salt, payload = (None, None)
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
    return prove_receipt(
        reader.hashes(origin, note.size), entry=data, checkpoint=note.note, salt=salt, payload=payload
    )
