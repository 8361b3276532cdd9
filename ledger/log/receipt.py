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
payload. Either may be followed by one array more, `[entry, salt, payload, path]`: a `seen` entry from
before it in the same log, with the inclusion path of its own to the same checkpoint. Its cosignatures of
other logs are older than it, and so older than the receipt's entry. The standard calls `extra`
unauthenticated; here it is checked: entries are the leaves that the paths prove, at the positions they say,
and salts and payloads are what the entries committed to.

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
from ledger.log.encoding import Value, decode, encode
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
from ledger.log.statement import parse_statement
from ledger.log.tree import HASH_BYTES, MAX_PROOF_HASHES, HashReader, check_inclusion, prove_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
SEEN = "seen"
MAX_SHOWN_BYTES = MAX_PAYLOAD_BYTES + MAX_ENTRY_BYTES + SALT_BYTES + 16
MAX_EXTRA_BYTES = 2 * MAX_SHOWN_BYTES + (HASH_BYTES + 2) * MAX_PROOF_HASHES + 16
MAX_RECEIPT_BYTES = MAX_EXTRA_BYTES * 4 // 3 + MAX_NOTE_BYTES + 64 * MAX_PROOF_HASHES + 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt file says, none of it checked. `checkpoint` is the whole note."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    extra: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An entry with its salt and payload, as bytes."""

    entry: bytes
    salt: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """A `seen` entry that stands before a receipt's entry, with the notes of other logs that it recorded."""

    entry: Entry
    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReceipt:
    """What a receipt proves. `cosigned` is when each known witness cosigned, in seconds, by name.

    What `seen` recorded was cosigned before the entry was made; its cosignatures are not checked yet.
    """

    entry: Entry
    leaf: bytes
    payload: bytes | None
    checkpoint: Checkpoint
    cosigned: dict[str, int]
    seen: SeenBefore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extra:
    """What `extra` holds."""

    entry: bytes
    shown: Shown | None
    seen: Shown | None
    seen_proof: tuple[bytes, ...]


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
    seen: Shown | None = None,
) -> str:
    """The receipt of an entry under a checkpoint that covers it, with its payload if both are given, and
    with a `seen` entry from before it."""
    parsed = parse_entry(entry)
    head = parse_checkpoint(parse_note(checkpoint).text)
    where = f"{head.origin} entry {parsed.seq}"
    proof = _prove_entry(reader, entry, head)
    extra: list[Value] = [entry]
    if salt is not None and payload is not None:
        check_payload(parsed, salt, payload, where)
        extra += [salt, payload]
    if seen is not None:
        path = _prove_entry(reader, seen.entry, head)
        _check_seen(seen, parsed, path, head, where)
        extra.append([seen.entry, seen.salt, seen.payload, [*path]])
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
    extra = _parse_extra(receipt.extra, where)
    entry = parse_entry(extra.entry, where)
    if entry.seq != receipt.index:
        raise InvalidError(where, found=f"entry {entry.seq}", expected=f"entry {receipt.index}")
    leaf = leaf_hash(extra.entry)
    check_inclusion(
        leaf=leaf, index=entry.seq, size=checkpoint.size, proof=receipt.proof, root=checkpoint.root
    )
    if extra.shown:
        place = f"{where}, {checkpoint.origin} entry {entry.seq}"
        check_payload(entry, extra.shown.salt, extra.shown.payload, place)
    seen = _check_seen(extra.seen, entry, extra.seen_proof, checkpoint, where) if extra.seen else None
    cosigned = cosignatures(receipt.checkpoint, witnesses, where)
    # A cosignature names no witness, so one key under two names is still one witness.
    keys = {vkey.public_key for vkey in witnesses if vkey.name in cosigned}
    count = min(len(keys), len(cosigned))
    if count < need:
        raise InvalidError(where, found=f"cosignatures of {count} witnesses", expected=f"of {need}")
    return CheckedReceipt(
        entry=entry,
        leaf=leaf,
        payload=extra.shown.payload if extra.shown else None,
        checkpoint=checkpoint,
        cosigned=cosigned,
        seen=seen,
    )


def _prove_entry(reader: HashReader, entry: bytes, head: Checkpoint) -> list[bytes]:
    seq = parse_entry(entry).seq
    proof = prove_inclusion(reader, seq, head.size)
    check_inclusion(leaf=leaf_hash(entry), index=seq, size=head.size, proof=proof, root=head.root)
    return proof


def _check_seen(
    seen: Shown, entry: Entry, proof: Sequence[bytes], checkpoint: Checkpoint, where: str
) -> SeenBefore:
    """Check that it is a `seen` entry of the same history, before the entry."""
    before = parse_entry(seen.entry, where)
    place = f"{where}, {checkpoint.origin} entry {before.seq}"
    if before.kind != SEEN or before.seq >= entry.seq:
        raise InvalidError(
            place,
            found=f"a later entry, or one of kind {before.kind}",
            expected=f"{SEEN}, before {entry.seq}",
        )
    check_inclusion(
        leaf=leaf_hash(seen.entry), index=before.seq, size=checkpoint.size, proof=proof, root=checkpoint.root
    )
    check_payload(before, seen.salt, seen.payload, place)
    statement = parse_statement(seen.payload, place)
    if statement.kind != SEEN:
        raise InvalidError(place, found=f"kind {statement.kind}", expected=SEEN)
    return SeenBefore(before, statement.texts("heads"))


def _parse_extra(data: bytes, where: str) -> _Extra:
    if len(data) > MAX_EXTRA_BYTES:
        raise TooLargeError(where, found=f"{len(data)} bytes", expected=f"at most {MAX_EXTRA_BYTES}")
    items = decode(data, where)
    seen: Shown | None = None
    proof: tuple[bytes, ...] = ()
    match items:
        case [*first, [bytes(entry), bytes(salt), bytes(payload), [*hashes]]]:
            seen, items = Shown(entry=entry, salt=salt, payload=payload), first
            proof = tuple(item for item in hashes if isinstance(item, bytes))
            if len(proof) != len(hashes):
                raise MalformedError(where, found="a path of other things", expected="hashes")
    match items:
        case [bytes(entry)]:
            return _Extra(entry=entry, shown=None, seen=seen, seen_proof=proof)
        case [bytes(entry), bytes(salt), bytes(payload)]:
            shown = Shown(entry=entry, salt=salt, payload=payload)
            return _Extra(entry=entry, shown=shown, seen=seen, seen_proof=proof)
    raise MalformedError(
        where, found="another extra", expected="[entry] or [entry, salt, payload], and a seen entry"
    )


def _after(word: str, line: str, where: str) -> str:
    if not line.startswith(word):
        raise MalformedError(where, found=f"line {short(line)}", expected=f"{word}…")
    return line.removeprefix(word)
