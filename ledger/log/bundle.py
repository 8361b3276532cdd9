"""Bundles: logs, or single entries of them with their proofs, in one file that is read as a stream.

    bundle = "tallystick bundle v1\\n" | record | record | …
    record = u32 length, big-endian | strict msgpack array [type, …] of that length

In this order:

    ["head", what, subject, by, for, founding]
    for each log, those of the founder first, else by organization and number:
      ["log", origin, form, size, root]              root of the tree over the first `size` entries
      ["note", signed note, [hash, …]] …             smallest first; each shows `size` and `root`
      form "whole":  for every run of 2,048 entries, the last of fewer
        ["run", start, [entry, …]]
        ["payloads", [[seq, salt, payload], …]] …    of that run, by position
      form "sparse": for every entry that is given, by position
        ["entry", entry, [hash, …], salt, payload]   inclusion proof to `root`; nil where it is not given
      ["close", given, withheld, absent]             how many payloads
    ["end", SHA-256 of everything before this record]

docs/format.md, section 11. `check_order` in `ledger.audit.bundle_order` holds what comes against this order.
A bundle proves nothing by itself: `ledger.audit.bundle` checks its signatures and proofs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import lt
from typing import Any, Literal, TypeAlias, get_args

import msgpack

from ledger.errors import MalformedError, TooLargeError, short
from ledger.log.encoding import Value, decode, encode
from ledger.log.entry import MAX_ENTRY_BYTES, MAX_NUMBER, MAX_PAYLOAD_BYTES, SALT_BYTES
from ledger.log.kinds import NAME_PATTERN
from ledger.log.note import MAX_NOTE_BYTES
from ledger.log.origin import parse_origin
from ledger.log.tree import HASH_BYTES, MAX_PROOF_HASHES

MAGIC = b"tallystick bundle v1\n"
LENGTH_BYTES = 4
MAX_RECORD_BYTES = 2 * 1024 * 1024
RUN_ENTRIES = 2048
PAYLOADS_BYTES = 1024 * 1024
"""Payloads are gathered into a record until they have so many bytes."""

MAX_SUBJECT_CHARS = 2048
_MAX_FOUNDING_BYTES = 64 * 1024

What: TypeAlias = Literal["log", "agreement", "lot", "network"]
Form: TypeAlias = Literal["whole", "sparse"]
Payload: TypeAlias = tuple[int, bytes, bytes]
WHATS: tuple[What, ...] = get_args(What)
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleHead:
    """What a bundle says it is, which nobody signed. `reader`: for whom it was made, None: nobody named."""

    what: What
    subject: str
    exporter: str
    reader: str | None
    founding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleLog:
    """The beginning of a log: how much of it is told, and the root of the tree over that."""

    origin: str
    form: Form
    size: int
    root: bytes

    @property
    def is_whole(self) -> bool:
        """Whether every entry is given."""
        return self.form == "whole"


@dataclass(frozen=True, slots=True)
class BundleNote:
    """A signed note of the log, and the consistency proof between its size and the log's in the bundle."""

    note: str
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleRun:
    """Entries of a whole log that follow each other from position `start`."""

    start: int
    entries: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BundlePayloads:
    """Payloads of the run before, as (position, salt, payload)."""

    rows: tuple[Payload, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleEntry:
    """A single entry with its inclusion proof, and salt and payload where they are given."""

    entry: bytes
    proof: tuple[bytes, ...]
    salt: bytes | None = None
    payload: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleClose:
    """The end of a log: payloads that are given, that were left out, and that the exporter does not hold."""

    given: int
    withheld: int
    absent: int


@dataclass(frozen=True, slots=True)
class BundleEnd:
    """The end of the bundle: the SHA-256 of everything before."""

    digest: bytes


BundleRecord: TypeAlias = (
    BundleHead | BundleLog | BundleNote | BundleRun | BundlePayloads | BundleEntry | BundleClose | BundleEnd
)


def format_record(record: BundleRecord) -> bytes:
    """The bytes of a record, after its length; refuses what `parse_record` would refuse."""
    data = encode(_row_of(record))
    parse_record(data, "record")
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def check_length(length: int, where: str) -> None:
    """Whether a record may have that length. Raises TooLargeError, MalformedError."""
    if length > MAX_RECORD_BYTES:
        raise TooLargeError(
            where, found=f"a record of {length} bytes", expected=f"at most {MAX_RECORD_BYTES}"
        )
    if length < 2:
        raise MalformedError(where, found=f"a record of {length} bytes", expected="an array with its type")


def parse_record(data: bytes, where: str) -> BundleRecord:
    """The record in these bytes, its length left out.

    Raises:
        MalformedError: it is none, in form, type or size of a field.
    """
    row = _decode_rows(data, where)
    kind = row[0]
    match row:
        case ["head", str(what), str(subject), str(exporter), reader, bytes(founding)]:
            return _head(what, subject, exporter, reader, founding, where)
        case ["log", str(origin), str(form), int(size), bytes(root)]:
            return _log(origin, form, size, root, where)
        case ["note", str(note), list(proof)]:
            if len(note) > MAX_NOTE_BYTES:
                raise _unfit(where, "a note", f"at most {MAX_NOTE_BYTES} characters")
            return BundleNote(note, _proof(proof, where))
        case ["run", int(start), list(entries)]:
            return _run(start, entries, where)
        case ["payloads", list(rows)]:
            return _payloads(rows, where)
        case ["entry", bytes(entry), list(proof), salt, payload]:
            return _entry(entry, proof, salt, payload, where)
        case ["close", int(given), int(withheld), int(absent)]:
            counts = [_count(value, where) for value in (given, withheld, absent)]
            return BundleClose(given=counts[0], withheld=counts[1], absent=counts[2])
        case ["end", bytes(digest)]:
            return BundleEnd(_hash(digest, where))
    raise _unfit(where, f"a record {short(kind)} of {len(row)} fields", "a record of a bundle")


def _row_of(record: BundleRecord) -> list[Value]:
    match record:
        case BundleHead():
            return ["head", record.what, record.subject, record.exporter, record.reader, record.founding]
        case BundleLog():
            return ["log", record.origin, record.form, record.size, record.root]
        case BundleNote():
            return ["note", record.note, list(record.proof)]
        case BundleRun():
            return ["run", record.start, list(record.entries)]
        case BundlePayloads():
            return ["payloads", [list(row) for row in record.rows]]
        case BundleEntry():
            return ["entry", record.entry, list(record.proof), record.salt, record.payload]
        case BundleClose():
            return ["close", record.given, record.withheld, record.absent]
        case BundleEnd():
            return ["end", record.digest]


def _decode_rows(data: bytes, where: str) -> list[Any]:
    """Strict msgpack, as `decode`; runs and payloads, which are nearly all of a bundle, in fewer steps.

    Of values whose types are all looked at, packing them again to the same bytes shows the one form.
    """
    if data[1:5] == b"\xa3run" or data[1:10] == b"\xa8payloads":
        try:
            row = msgpack.unpackb(data, max_array_len=RUN_ENTRIES)
            if type(row) is list and msgpack.packb(row) == data:
                return row
        except (ValueError, OverflowError, TypeError, msgpack.UnpackException):
            pass
    value = decode(data, where)
    if type(value) is not list or not value:
        raise _unfit(where, "no array", "an array with its type")
    return value


def _head(what: str, subject: str, exporter: str, reader: Value, founding: bytes, where: str) -> BundleHead:
    known: What | None = next((name for name in WHATS if name == what), None)
    if known is None:
        raise _unfit(where, f"a bundle of {short(what)}", "of a log, an agreement, a lot or a network")
    if not 1 <= len(subject) <= MAX_SUBJECT_CHARS:
        raise _unfit(where, f"a subject of {len(subject)} characters", f"1 to {MAX_SUBJECT_CHARS}")
    named = [exporter] if reader is None else [exporter, reader]
    if not all(type(name) is str and NAME_PATTERN.fullmatch(name) for name in named):
        raise _unfit(where, short(named), "names of organizations")
    if len(founding) > _MAX_FOUNDING_BYTES:
        raise _unfit(where, f"a founding of {len(founding)} bytes", f"at most {_MAX_FOUNDING_BYTES}")
    reader = None if reader is None else str(reader)
    return BundleHead(what=known, subject=subject, exporter=exporter, reader=reader, founding=founding)


def _log(origin: str, form: str, size: int, root: bytes, where: str) -> BundleLog:
    parse_origin(origin, where)
    known: Form | None = next((name for name in FORMS if name == form), None)
    if known is None:
        raise _unfit(where, f"form {short(form)}", "whole or sparse")
    if type(size) is bool or not 0 < size <= MAX_NUMBER:
        raise _unfit(where, f"size {short(size)}", f"1 to {MAX_NUMBER}")
    return BundleLog(origin=origin, form=known, size=size, root=_hash(root, where))


def _run(start: int, entries: Sequence[Any], where: str) -> BundleRun:
    if _count(start, where) % RUN_ENTRIES or not 0 < len(entries) <= RUN_ENTRIES:
        raise _unfit(
            where, f"a run of {len(entries)} from {start}", f"1 to {RUN_ENTRIES} from a multiple of that"
        )
    if set(map(type, entries)) != {bytes} or max(map(len, entries)) > MAX_ENTRY_BYTES:
        raise _unfit(where, "something that is no entry", f"bytes, at most {MAX_ENTRY_BYTES}")
    return BundleRun(start, tuple(entries))


def _payloads(rows: Sequence[Any], where: str) -> BundlePayloads:
    if not 0 < len(rows) <= RUN_ENTRIES:
        raise _unfit(where, f"{len(rows)} payloads", f"1 to {RUN_ENTRIES}")
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {3}:
        raise _unfit(where, "something that is no payload", "[seq, salt, payload]")
    # Column by column, since a bundle may hold millions.
    seqs, salts, payloads = zip(*rows, strict=True)
    if set(map(type, seqs)) != {int} or seqs[0] < 0 or seqs[-1] > MAX_NUMBER:
        raise _unfit(where, "something that is no position", f"0 to {MAX_NUMBER}")
    if not all(map(lt, seqs, seqs[1:])):
        raise _unfit(where, "payloads out of order", "by position, each once")
    if {*map(type, salts), *map(type, payloads)} != {bytes}:
        raise _unfit(where, "a salt or payload that is no bytes", "bytes")
    if set(map(len, salts)) != {SALT_BYTES} or max(map(len, payloads)) > MAX_PAYLOAD_BYTES:
        raise _unfit(where, "a salt or payload of another length", f"{SALT_BYTES}, and {MAX_PAYLOAD_BYTES}")
    return BundlePayloads(tuple(zip(seqs, salts, payloads, strict=True)))


def _entry(entry: bytes, proof: Sequence[Any], salt: Value, payload: Value, where: str) -> BundleEntry:
    if len(entry) > MAX_ENTRY_BYTES:
        raise _unfit(where, f"an entry of {len(entry)} bytes", f"at most {MAX_ENTRY_BYTES}")
    hashes = _proof(proof, where)
    if salt is None and payload is None:
        return BundleEntry(entry=entry, proof=hashes)
    if type(salt) is not bytes or type(payload) is not bytes:
        raise _unfit(where, "half of a payload", "salt and payload, or neither")
    _check_payload(salt, payload, where)
    return BundleEntry(entry=entry, proof=hashes, salt=salt, payload=payload)


def _check_payload(salt: bytes, payload: bytes, where: str) -> None:
    if len(salt) != SALT_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise _unfit(
            where,
            f"a salt of {len(salt)} and a payload of {len(payload)} bytes",
            f"{SALT_BYTES}, and at most {MAX_PAYLOAD_BYTES}",
        )


def _proof(hashes: Sequence[Any], where: str) -> tuple[bytes, ...]:
    if len(hashes) > MAX_PROOF_HASHES:
        raise _unfit(where, f"a proof of {len(hashes)} hashes", f"at most {MAX_PROOF_HASHES}")
    return tuple(_hash(item, where) for item in hashes)


def _hash(value: Any, where: str) -> bytes:
    if type(value) is not bytes or len(value) != HASH_BYTES:
        raise _unfit(where, short(value), f"a hash of {HASH_BYTES} bytes")
    return value


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise _unfit(where, short(value), f"0 to {MAX_NUMBER}")
    return value


def _unfit(where: str, found: str, expected: str) -> MalformedError:
    return MalformedError(where, found=found, expected=expected)
