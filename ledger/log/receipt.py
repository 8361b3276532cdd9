"""Receipts (C2SP tlog-proof): one file that proves offline that an entry is in a log.

```
c2sp.org/tlog-proof@v1
extra <base64>
index <position>
<base64 hash>             the inclusion path, the leaf's sibling first; none in a log of one entry
                          (an empty line)
<checkpoint>              the note, with the cosignatures that the holder has
```

`extra` is strict msgpack `[entry]`, or `[entry, salt, payload]` where the holder chooses to show the
payload. The standard calls it unauthenticated; here it is checked: the entry is the leaf that the path
proves, and salt and payload are what the entry committed to.

A receipt with any byte changed is refused, with one exception that signed notes demand: a signature line
of a key that the reader does not know is ignored. A changed name or key id turns a witness's line into
such a line, so the receipt then counts one witness less, and `need` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, TooLargeError, short
from ledger.log.checkpoint import (
    Checkpoint,
    cosignatures,
    open_checkpoint,
    parse_checkpoint,
    parse_decimal,
    parse_hash,
)
from ledger.log.encoding import decode, encode
from ledger.log.entry import (
    MAX_ENTRY_BYTES,
    MAX_NUMBER,
    MAX_PAYLOAD_BYTES,
    SALT_BYTES,
    Entry,
    check_payload,
    leaf_hash,
    parse_entry,
)
from ledger.log.note import (
    MAX_NOTE_BYTES,
    VerifierKey,
    encode_text,
    format_base64,
    parse_base64,
    parse_note,
)
from ledger.log.tree import MAX_PROOF_HASHES, HashReader, check_inclusion, prove_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_EXTRA_BYTES = MAX_PAYLOAD_BYTES + MAX_ENTRY_BYTES + SALT_BYTES + 16
MAX_RECEIPT_BYTES = MAX_EXTRA_BYTES * 4 // 3 + MAX_NOTE_BYTES + 64 * MAX_PROOF_HASHES + 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt file says, none of it checked. `checkpoint` is the whole note."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    extra: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReceipt:
    """What a receipt proves. `cosigned` is when each known witness cosigned, in seconds, by name."""

    entry: Entry
    leaf: bytes
    payload: bytes | None
    checkpoint: Checkpoint
    cosigned: dict[str, int]


def format_receipt(receipt: Receipt) -> str:
    """The file's text."""
    lines = [FIRST_LINE, f"extra {format_base64(receipt.extra)}", f"index {receipt.index}"]
    lines += map(format_base64, receipt.proof)
    text = "\n".join(lines) + "\n\n" + receipt.checkpoint
    if parse_receipt(text) != receipt:
        raise MalformedError("receipt", found="another receipt when read back", expected="index, path, note")
    return text


def parse_receipt(data: str | bytes, where: str = "receipt") -> Receipt:
    """The parts of a receipt file; `check_receipt` says whether they prove anything."""
    raw = encode_text(data, where) if isinstance(data, str) else data
    if len(raw) > MAX_RECEIPT_BYTES:
        raise TooLargeError(where, found=f"{len(raw)} bytes", expected=f"at most {MAX_RECEIPT_BYTES}")
    head, separator, note = raw.partition(b"\n\n")
    if not separator or not head.isascii():
        raise MalformedError(where, found="no empty line after the path", expected="a tlog-proof")
    lines = head.decode("ascii").split("\n")
    if len(lines) < 3 or lines[0] != FIRST_LINE:
        raise MalformedError(where, found=f"first line {short(lines[0])}", expected=FIRST_LINE)
    if len(lines) - 3 > MAX_PROOF_HASHES:
        raise TooLargeError(where, found=f"{len(lines) - 3} hashes", expected=f"at most {MAX_PROOF_HASHES}")
    checkpoint = parse_note(note, where)
    parse_checkpoint(checkpoint.text, where)
    return Receipt(
        extra=parse_base64(_after("extra ", lines[1], where), where),
        index=parse_decimal(_after("index ", lines[2], where), where, MAX_NUMBER),
        proof=tuple(parse_hash(line, where) for line in lines[3:]),
        checkpoint=note.decode(),
    )


def prove_receipt(
    reader: HashReader,
    *,
    entry: bytes,
    checkpoint: str,
    salt: bytes | None = None,
    payload: bytes | None = None,
) -> str:
    """The receipt of an entry under a checkpoint that covers it, with its payload if both are given."""
    parsed = parse_entry(entry)
    head = parse_checkpoint(parse_note(checkpoint).text)
    where = f"{head.origin} entry {parsed.seq}"
    proof = prove_inclusion(reader, parsed.seq, head.size)
    check_inclusion(leaf=leaf_hash(entry), index=parsed.seq, size=head.size, proof=proof, root=head.root)
    extra = [entry]
    if salt is not None and payload is not None:
        check_payload(parsed, salt, payload, where)
        extra += [salt, payload]
    return format_receipt(
        Receipt(index=parsed.seq, proof=tuple(proof), checkpoint=checkpoint, extra=encode(extra))
    )


def check_receipt(
    data: str | bytes,
    vkey: VerifierKey,
    *,
    witnesses: Sequence[VerifierKey] = (),
    need: int = 0,
    where: str = "receipt",
) -> CheckedReceipt:
    """What a receipt proves of the log with this key, cosigned by at least `need` of these witnesses."""
    receipt = parse_receipt(data, where)
    checkpoint = open_checkpoint(receipt.checkpoint, vkey, where)
    entry_bytes, shown = _parse_extra(receipt.extra, where)
    entry = parse_entry(entry_bytes, where)
    if entry.seq != receipt.index:
        raise InvalidError(where, found=f"entry {entry.seq}", expected=f"entry {receipt.index}")
    leaf = leaf_hash(entry_bytes)
    check_inclusion(
        leaf=leaf, index=entry.seq, size=checkpoint.size, proof=receipt.proof, root=checkpoint.root
    )
    if shown:
        check_payload(entry, *shown, f"{where}, {checkpoint.origin} entry {entry.seq}")
    cosigned = cosignatures(receipt.checkpoint, witnesses, where)
    # A cosignature names no witness, so one key under two names is still one witness.
    keys = {vkey.public_key for vkey in witnesses if vkey.name in cosigned}
    count = min(len(keys), len(cosigned))
    if count < need:
        raise InvalidError(where, found=f"cosignatures of {count} witnesses", expected=f"of {need}")
    return CheckedReceipt(
        entry=entry,
        leaf=leaf,
        payload=shown[1] if shown else None,
        checkpoint=checkpoint,
        cosigned=cosigned,
    )


def _parse_extra(extra: bytes, where: str) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """The entry, and salt and payload where the receipt shows them."""
    if len(extra) > MAX_EXTRA_BYTES:
        raise TooLargeError(where, found=f"{len(extra)} bytes", expected=f"at most {MAX_EXTRA_BYTES}")
    match decode(extra, where):
        case [bytes(entry)]:
            return entry, None
        case [bytes(entry), bytes(salt), bytes(payload)]:
            return entry, (salt, payload)
    raise MalformedError(where, found="another extra", expected="[entry] or [entry, salt, payload]")


def _after(word: str, line: str, where: str) -> str:
    if not line.startswith(word):
        raise MalformedError(where, found=f"line {short(line)}", expected=f"{word}…")
    return line.removeprefix(word)
