"""Evidence as a folder of standard files, here a mapping from names to bytes (docs/format.md, section 10).

    evidence.json   {"format": "tallystick evidence v1", "kind": <kind>, "origin": <log>}⏎
    vkey            the accused key, one line; a second line for b where the log's key was rotated in between

| kind | beside these two |
| --- | --- |
| `fork` | `a.checkpoint`, `b.checkpoint`, `consistency` |
| `entries` | `a.tlog-proof`, `b.tlog-proof` |
| `witness` | `a.checkpoint`, `b.checkpoint`, each with the witness's line alone, `consistency` |
| `openings` | `a.tlog-proof`, `b.tlog-proof`, and instead of `vkey` the file `recovery` |

One piece of evidence has one form, so what was swapped, repeated or added is refused: of two heads `a` is
that of the smaller size, or at one size that with the smaller root; of two receipts `a` is the one with the
smaller leaf hash. `ledger.members.evidence` says what a piece proves.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ledger.errors import InvalidError, MalformedError, TooLargeError, short
from ledger.log.checkpoint import Checkpoint, parse_checkpoint, parse_hash
from ledger.log.encoding import Value, decode
from ledger.log.entry import leaf_hash
from ledger.log.note import (
    MAX_NOTE_BYTES,
    Note,
    VerifierKey,
    encode_text,
    format_base64,
    format_note,
    parse_note,
    parse_vkey,
)
from ledger.log.receipt import MAX_RECEIPT_BYTES, parse_receipt
from ledger.log.tree import HASH_BYTES, MAX_PROOF_HASHES

DESCRIPTION = "evidence.json"
FORMAT = "tallystick evidence v1"
MAX_SMALL_BYTES = 8192
"""Of a description, a path, keys."""

_HEX = re.compile(rb"([0-9a-f]{64})\n")


class Kind(enum.StrEnum):
    """What a piece of evidence proves: see the module's table."""

    FORK = "fork"
    ENTRIES = "entries"
    WITNESS = "witness"
    OPENINGS = "openings"


CHECKPOINTS = ("a.checkpoint", "b.checkpoint")
RECEIPTS = ("a.tlog-proof", "b.tlog-proof")
PATH, VKEY, RECOVERY = "consistency", "vkey", "recovery"

FILES: Mapping[Kind, tuple[str, ...]] = {
    Kind.FORK: (*CHECKPOINTS, PATH, VKEY),
    Kind.ENTRIES: (*RECEIPTS, VKEY),
    Kind.WITNESS: (*CHECKPOINTS, PATH, VKEY),
    Kind.OPENINGS: (*RECEIPTS, RECOVERY),
}
"""The files of each kind, beside the description."""

_LIMITS = dict.fromkeys(CHECKPOINTS, MAX_NOTE_BYTES) | dict.fromkeys(RECEIPTS, MAX_RECEIPT_BYTES)
MAX_FILE_BYTES = MAX_RECEIPT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the files of one piece say, none of it checked but its form.

    `first` and `second` are notes or receipts; `path` is empty for notes of one size and for receipts;
    `vkeys` has the key of the first and of the second, mostly the same; none for `openings`, which have
    the hash of the recovery key.
    """

    kind: Kind
    origin: str
    first: str
    second: str
    path: tuple[bytes, ...] = ()
    vkeys: tuple[VerifierKey, ...] = ()
    recovery: bytes = b""

    @property
    def accused(self) -> str:
        """Whom it accuses: the name of the witness's key, else the log."""
        return self.vkeys[0].name if self.kind == Kind.WITNESS else self.origin


def fork_evidence(
    note_a: str, note_b: str, path: tuple[bytes, ...], vkey_a: VerifierKey, vkey_b: VerifierKey
) -> Evidence:
    """Two notes of a log with their keys as evidence, in their order."""
    notes = _ordered((note_a, vkey_a), (note_b, vkey_b))
    return Evidence(
        kind=Kind.FORK,
        origin=_head(note_a).origin,
        first=notes[0][0],
        second=notes[1][0],
        path=path,
        vkeys=(notes[0][1], notes[1][1]),
    )


def witness_evidence(note_a: str, note_b: str, path: tuple[bytes, ...], vkey: VerifierKey) -> Evidence:
    """Two notes that a witness cosigned as evidence against it, in their order and with its lines alone."""
    notes = _ordered((_by_witness(note_a, vkey), vkey), (_by_witness(note_b, vkey), vkey))
    return Evidence(
        kind=Kind.WITNESS,
        origin=_head(note_a).origin,
        first=notes[0][0],
        second=notes[1][0],
        path=path,
        vkeys=(vkey, vkey),
    )


def entries_evidence(receipt_a: str, receipt_b: str, vkey_a: VerifierKey, vkey_b: VerifierKey) -> Evidence:
    """Two receipts for one position of a log with their keys as evidence, in their order."""
    (first, vkey), (second, other) = sorted(
        ((receipt_a, vkey_a), (receipt_b, vkey_b)), key=lambda item: leaf_of_receipt(item[0])
    )
    origin = _head(note_of(Kind.ENTRIES, first)).origin
    return Evidence(kind=Kind.ENTRIES, origin=origin, first=first, second=second, vkeys=(vkey, other))


def openings_evidence(receipt_a: str, receipt_b: str, recovery: bytes) -> Evidence:
    """Receipts of two entries 0 of a later log as evidence, in their order; `recovery` as in `Evidence`."""
    first, second = sorted((receipt_a, receipt_b), key=leaf_of_receipt)
    origin = _head(note_of(Kind.OPENINGS, first)).origin
    return Evidence(kind=Kind.OPENINGS, origin=origin, first=first, second=second, recovery=recovery)


def format_evidence(evidence: Evidence) -> dict[str, bytes]:
    """The files, by name."""
    names = FILES[evidence.kind]
    described = {"format": FORMAT, "kind": evidence.kind.value, "origin": evidence.origin}
    made = {
        names[0]: evidence.first,
        names[1]: evidence.second,
        PATH: "".join(f"{format_base64(item)}\n" for item in evidence.path),
        VKEY: "".join(f"{vkey.text}\n" for vkey in dict.fromkeys(evidence.vkeys)),
        RECOVERY: f"{evidence.recovery.hex()}\n",
    }
    files = {name: made[name].encode() for name in names}
    files[DESCRIPTION] = f"{json.dumps(described, ensure_ascii=False)}\n".encode()
    if parse_evidence(files) != evidence:
        raise MalformedError("evidence", found="other evidence when read back", expected="two things signed")
    return files


def parse_evidence(files: Mapping[str, bytes], where: str = "evidence") -> Evidence:
    """What the files of a piece say.

    Raises:
        MalformedError: a file is missing or too many, or has not its one form.
        InvalidError: they are not in their order.
    """
    if DESCRIPTION not in files:
        raise MalformedError(where, found=f"no {DESCRIPTION}", expected="a folder of evidence")
    kind, origin = _parse_description(files[DESCRIPTION], where)
    _check_names(files, kind, where)
    names = FILES[kind]
    read = _parse_heads if kind in (Kind.FORK, Kind.WITNESS) else _parse_receipts
    first, second = (read(files[name], f"{where}, {name}") for name in names[:2])
    evidence = Evidence(
        kind=kind,
        origin=origin,
        first=first,
        second=second,
        path=_parse_path(files[PATH], f"{where}, {PATH}") if PATH in names else (),
        vkeys=_parse_vkeys(files[VKEY], f"{where}, {VKEY}") if VKEY in names else (),
        recovery=_parse_recovery(files[RECOVERY], f"{where}, {RECOVERY}") if RECOVERY in names else b"",
    )
    _check_order(evidence, where)
    return evidence


def format_body(evidence: Evidence) -> dict[str, Value]:
    """The body of the `evidence.files` statement that records a piece."""
    files: dict[str, Value] = {name: data.decode() for name, data in format_evidence(evidence).items()}
    return {"accused": evidence.accused, "files": files, "form": evidence.kind.value}


def parse_body(body: Mapping[str, Value]) -> Evidence:
    """The piece in the body of an `evidence.files` statement. Raises as `parse_evidence`."""
    files = body["files"]
    texts = files if isinstance(files, dict) else {}
    evidence = parse_evidence({name: encode_text(str(text), name) for name, text in texts.items()})
    if (body["accused"], body["form"]) != (evidence.accused, evidence.kind.value):
        raise InvalidError(
            "evidence",
            found=f"{short(body['form'])} against {short(body['accused'])}",
            expected="what its files say",
        )
    return evidence


def note_of(kind: Kind, text: str) -> str:
    """The signed note in one of the two files: the file itself, or the checkpoint of a receipt."""
    return text if kind in (Kind.FORK, Kind.WITNESS) else parse_receipt(text).checkpoint


def _parse_description(data: bytes, where: str) -> tuple[Kind, str]:
    place = f"{where}, {DESCRIPTION}"
    refusal = MalformedError(
        place, found=short(data[:200]), expected=f'{{"format": "{FORMAT}", "kind": …, "origin": …}}'
    )
    if len(data) > MAX_SMALL_BYTES:
        raise refusal
    try:
        value = json.loads(data.decode())
        kind, origin = Kind(value["kind"]), value["origin"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise refusal from error
    described = {"format": FORMAT, "kind": kind.value, "origin": origin}
    if type(origin) is not str or data != f"{json.dumps(described, ensure_ascii=False)}\n".encode(
        errors="replace"
    ):
        raise refusal
    return kind, origin


def _check_names(files: Mapping[str, bytes], kind: Kind, where: str) -> None:
    expected = {DESCRIPTION, *FILES[kind]}
    if files.keys() != expected:
        raise MalformedError(
            where,
            found=f"files {short(', '.join(sorted(files)), 200)}",
            expected=f"exactly {', '.join(sorted(expected))}",
        )
    for name, data in files.items():
        limit = _LIMITS.get(name, MAX_SMALL_BYTES)
        if len(data) > limit:
            raise TooLargeError(f"{where}, {name}", found=f"{len(data)} bytes", expected=f"at most {limit}")


def _parse_heads(data: bytes, where: str) -> str:
    parse_checkpoint(parse_note(data, where).text, where)
    return data.decode()


def _parse_receipts(data: bytes, where: str) -> str:
    parse_receipt(data, where)
    return data.decode()


def _parse_path(data: bytes, where: str) -> tuple[bytes, ...]:
    lines = _lines(data, where)
    if len(lines) > MAX_PROOF_HASHES + 1:
        raise TooLargeError(
            where,
            found=f"{len(lines)} hashes",
            expected=f"at most {MAX_PROOF_HASHES + 1} of {HASH_BYTES} bytes",
        )
    return tuple(parse_hash(line, where) for line in lines)


def _parse_vkeys(data: bytes, where: str) -> tuple[VerifierKey, ...]:
    vkeys = tuple(parse_vkey(line, where) for line in _lines(data, where))
    if len(vkeys) not in (1, 2) or len(set(vkeys)) != len(vkeys):
        raise MalformedError(where, found=f"{len(vkeys)} lines", expected="one key, or two of one log")
    return (vkeys[0], vkeys[-1])


def _parse_recovery(data: bytes, where: str) -> bytes:
    found = _HEX.fullmatch(data)
    if found is None:
        raise MalformedError(
            where, found=short(data[:100]), expected="64 digits of lowercase hex, a line feed"
        )
    return bytes.fromhex(found[1].decode())


def _lines(data: bytes, where: str) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(where, found="bytes that are not UTF-8", expected="whole lines") from error
    if text and not text.endswith("\n"):
        raise MalformedError(where, found="no line feed at the end", expected="whole lines")
    return text[:-1].split("\n") if text else []


def _check_order(evidence: Evidence, where: str) -> None:
    """Raises where the two are exchanged, told twice, or of another log than the description says."""
    notes = [note_of(evidence.kind, text) for text in (evidence.first, evidence.second)]
    for note in notes:
        if _head(note).origin != evidence.origin:
            raise InvalidError(
                where, found=f"a head of {short(_head(note).origin)}", expected=evidence.origin
            )
    for vkey, note in zip(evidence.vkeys, notes, strict=False):
        if evidence.kind == Kind.WITNESS and _by_witness(note, vkey) != note:
            raise MalformedError(where, found="other signatures", expected=f"one line, by {vkey.name}")
    if evidence.kind == Kind.WITNESS and evidence.vkeys[0] != evidence.vkeys[1]:
        raise MalformedError(where, found="two keys", expected="the key of one witness")
    if evidence.kind in (Kind.FORK, Kind.WITNESS):
        ranks = [_rank(_head(note)) for note in notes]
    else:
        ranks = [(0, leaf_of_receipt(text)) for text in (evidence.first, evidence.second)]
    if ranks[0] >= ranks[1]:
        found = "the same thing twice" if ranks[0] == ranks[1] else "a and b exchanged"
        raise InvalidError(where, found=found, expected="two different things, the smaller first")


def leaf_of_receipt(receipt: str) -> bytes:
    """The leaf hash of the entry that a receipt holds; nothing else of it is checked."""
    match decode(parse_receipt(receipt).extra, "receipt"):
        case [bytes(entry), *_]:
            return leaf_hash(entry)
    raise MalformedError("receipt", found="another extra", expected="[entry] or [entry, salt, payload]")


def _by_witness(note: str, vkey: VerifierKey) -> str:
    """The note with the first line of this key alone."""
    parsed = parse_note(note)
    line = next((line for line in parsed.signatures if line.is_by(vkey)), None)
    if line is None:
        raise InvalidError("evidence", found="no cosignature by this key", expected=f"one by {vkey.name}")
    return format_note(Note(parsed.text, (line,)))


def _ordered(one: tuple[str, VerifierKey], other: tuple[str, VerifierKey]) -> list[tuple[str, VerifierKey]]:
    return sorted((one, other), key=lambda item: _rank(_head(item[0])))


def _rank(head: Checkpoint) -> tuple[int, bytes]:
    return head.size, head.root


def _head(note: str) -> Checkpoint:
    return parse_checkpoint(parse_note(note).text)
