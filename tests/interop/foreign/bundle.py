"""Bundles: logs and single entries in one file, with all that it takes to check them (section 11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from .decision import check_decision, check_document, check_effect
from .encoding import Refused, is_bytes, is_hashes, is_number, need, read_msgpack
from .evidence import check_fork, verify_body
from .log import ORGANIZATION, Entry, check_chain, read_entry
from .network import Network, split_origin
from .note import Head, read_head, read_note
from .receipt import check_payload
from .statement import verify_statements
from .tree import check_consistency, check_inclusion, leaf_hash, tree_hash

MAGIC = b"tallystick bundle v1\n"
END = b"\x00\x00\x00\x27\x92\xa3end\xc4\x20"
"""What stands before the hash at the end: the length of that record, its type, the head of 32 bytes."""

MAX_RECORD = 2_097_152
MAX_LOGS = 4096
MAX_NOTES = 256
RUN = 2048
FIELDS = {"head": 5, "log": 4, "note": 2, "run": 2, "payloads": 1, "entry": 4, "close": 3, "end": 1}
"""How many fields a record has after its type."""


@dataclass
class Log:
    """One log of a bundle."""

    origin: str
    is_whole: bool
    size: int
    root: bytes
    notes: list[tuple[str, list[bytes]]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    payloads: dict[int, bytes] = field(default_factory=dict)
    statements: list[tuple[Entry, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Bundle:
    """A bundle that holds: what its maker says it is, the network, the logs by origin."""

    what: str
    subject: str
    maker: str
    reader: str | None
    network: Network
    logs: dict[str, Log] = field(default_factory=dict)


def verify_bundle(data: bytes) -> Bundle:
    """Everything in a bundle: form, order, proofs, notes, members' keys, people's signatures, evidence."""
    end = len(data) - len(END) - 32
    need(data[end:-32] == END and data[-32:] == sha256(data[:end]).digest(), "a bundle with another hash")
    records = _Records(data)
    bundle = _read_head(records.take("head"))
    while records.next == "log":
        log = _read_log(records)
        need(log.origin not in bundle.logs, "a log twice")
        bundle.logs[log.origin] = log
    need(len(bundle.logs) <= MAX_LOGS, "too many logs")
    need(records.at == end and records.take("end"), "an end before the end")
    _check_logs(bundle)
    return bundle


class _Records:
    """The records in their order."""

    def __init__(self, data: bytes) -> None:
        need(data.startswith(MAGIC), "not a bundle")
        self._data = data
        self.at = len(MAGIC)
        self._ahead: tuple[list[Any], int] | None = None

    def _look(self) -> tuple[list[Any], int]:
        if self._ahead is None:
            start = self.at + 4
            length = int.from_bytes(self._data[self.at : start], "big")
            need(start + length <= len(self._data) and length <= MAX_RECORD, "a record cut short or too long")
            record = read_msgpack(self._data[start : start + length])
            need(isinstance(record, list) and record and isinstance(record[0], str), "not a record")
            need(FIELDS.get(record[0]) == len(record) - 1, "a record of another form")
            self._ahead = record, start + length
        return self._ahead

    @property
    def next(self) -> str:
        """The type of the next record."""
        return str(self._look()[0][0])

    def take(self, name: str) -> list[Any]:
        """The fields of the next record, which is of this type."""
        need(self.next == name, f"a record {self.next} where {name} is to stand")
        (_, *fields), self.at = self._look()
        self._ahead = None
        return fields


def _read_head(fields: Sequence[Any]) -> Bundle:
    what, subject, maker, reader, founding = fields
    need(what in ("log", "agreement", "lot", "network"), "a bundle of something else")
    need(isinstance(subject, str) and 1 <= len(subject) <= 2048, "no subject")
    for name in [maker] if reader is None else [maker, reader]:
        need(isinstance(name, str) and ORGANIZATION.fullmatch(name), "a maker or reader that is none")
    need(isinstance(founding, bytes), "no founding")
    return Bundle(what, subject, maker, reader, Network(founding))


def _read_log(records: _Records) -> Log:
    origin, form, size, root = records.take("log")
    need(isinstance(origin, str) and form in ("whole", "sparse"), "a log of another form")
    need(is_number(size, 1) and is_bytes(root, 32), "a log without size and root")
    log = Log(origin, form == "whole", size, root)
    while not log.notes or records.next == "note":
        note, proof = records.take("note")
        need(isinstance(note, str) and is_hashes(proof), "a note of another form")
        log.notes.append((note, proof))
    need(len(log.notes) <= MAX_NOTES, "too many notes")
    if log.is_whole:
        _read_runs(records, log)
    else:
        while records.next == "entry":
            _read_entry(log, *records.take("entry"))
    close = records.take("close")
    need(all(map(is_number, close)), "a close of another form")
    need((close[0], sum(close)) == (len(log.payloads), len(log.entries)), "a close with other numbers")
    return log


def _read_runs(records: _Records, log: Log) -> None:
    while len(log.entries) < log.size:
        start, entries = records.take("run")
        need(start == len(log.entries) and isinstance(entries, list), "a run out of order")
        need(len(entries) == min(RUN, log.size - start), "a run of another length")
        log.entries += [read_entry(entry) for entry in entries]
        while records.next == "payloads":
            (rows,) = records.take("payloads")
            need(isinstance(rows, list) and rows, "no payloads")
            for row in rows:
                need(isinstance(row, list) and len(row) == 3, "a payload of another form")
                seq, salt, payload = row
                need(is_number(seq, start) and seq < len(log.entries), "a payload of another run")
                _keep_payload(log, log.entries[seq], salt, payload)


def _read_entry(log: Log, data: bytes, proof: Any, salt: Any, payload: Any) -> None:
    entry = read_entry(data)
    need(is_hashes(proof) and (salt is None) == (payload is None), "an entry of another form")
    before = log.entries[-1] if log.entries else None
    need(before is None or before.seq < entry.seq, "an entry out of order")
    check_inclusion(leaf_hash(data), entry.seq, Head(log.origin, log.size, log.root, {}), proof)
    if before is not None and before.seq + 1 == entry.seq:
        need(entry.prev == leaf_hash(before.data), "an entry that does not follow the one before")
    log.entries.append(entry)
    if payload is not None:
        _keep_payload(log, entry, salt, payload)


def _keep_payload(log: Log, entry: Entry, salt: Any, payload: Any) -> None:
    need(isinstance(salt, bytes) and isinstance(payload, bytes), "a payload of another form")
    need(not log.payloads or max(log.payloads) < entry.seq, "a payload out of order")
    check_payload(entry, salt, payload)
    log.payloads[entry.seq] = payload


def _check_logs(bundle: Bundle) -> None:
    network = bundle.network
    ranks = [(name != network.founder, name, number) for name, number in map(split_origin, bundle.logs)]
    need(ranks == sorted(ranks), "logs out of order")
    for log in bundle.logs.values():
        _check_entries(log, network.identity)
        log.statements = verify_statements(
            [(entry, log.payloads.get(entry.seq)) for entry in log.entries], log.origin
        )
        for entry, statement in log.statements:
            network.fold(log.origin, entry, statement["body"])
    for log in bundle.logs.values():
        _check_notes(log, network)
        for entry, statement in log.statements:
            _check_body(entry.kind, statement["body"], network)


def _check_entries(log: Log, identity: bytes) -> None:
    if log.is_whole:
        leaves = [leaf_hash(entry.data) for entry in log.entries]
        check_chain(log.entries, leaves, log.origin)
        need(tree_hash(leaves) == log.root, "the entries do not give the root")
    for entry in log.entries:
        need((entry.kind == "log.open") == (entry.seq == 0), "log.open is entry 0 and no other")
        need(entry.seq > 0 or entry.prev == identity, "entry 0 is of another network")


def _check_notes(log: Log, network: Network) -> None:
    sizes = []
    for note, proof in log.notes:
        head, _ = network.verify_note(note)
        need(head.origin == log.origin, "a note of another log")
        sizes.append(head.size)
        if head.size >= log.size:
            check_consistency(log.size, log.root, head, proof)
        elif log.is_whole:
            leaves = [leaf_hash(entry.data) for entry in log.entries[: head.size]]
            need(not proof and tree_hash(leaves) == head.root, "a note that the entries do not give")
        else:
            check_consistency(head.size, head.root, Head(log.origin, log.size, log.root, {}), proof)
    need(sizes == sorted(set(sizes)) and sizes[-1] >= log.size, "notes out of order, or none that covers all")


def _check_body(kind: str, body: dict[str, Any], network: Network) -> None:
    """What a statement says beyond its form: evidence, heads, effects, documents."""
    if kind == "evidence.files":
        verify_body(body)
    elif kind == "evidence":
        a, b = (network.verify_note(note)[0] for note in body["notes"])
        need(a.origin == b.origin == body["origin"] and a.size <= b.size, "notes of another log")
        check_fork(a, b, body["proof"])
    elif kind == "seen":
        need(list(_origins(body["heads"])) == sorted(set(_origins(body["heads"]))), "heads out of order")
    elif kind == "agreement.propose":
        check_document(body["document"])
    elif kind == "decision":
        check_decision(body)
    elif kind == "correction":
        for effect in body["effects"]:
            check_effect(effect)


def _origins(heads: Any) -> Iterator[str]:
    for note in heads:
        if not isinstance(note, str):
            raise Refused("a head that is no note")
        yield read_head(read_note(note.encode())[0]).origin
