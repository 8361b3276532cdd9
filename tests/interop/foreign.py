"""A verifier that knows only the public formats: it imports nothing of this project.

Written from `docs/format.md` and the C2SP specifications signed-note, tlog-checkpoint, tlog-cosignature,
tlog-tiles and tlog-proof alone, with the standard library and `cryptography` for Ed25519. It verifies

- a whole log served as tiles, over HTTP or from a folder: `verify_log`
- a receipt file, with the content in it where there is some: `verify_receipt`
- statements: form, people's signatures, nonces, network id, agreement: `verify_statement` and others
- evidence of a fork: `verify_fork`

Every function raises `Refused` where something does not hold. It is one file so that it can be handed to
somebody as it is. As a program:

    foreign.py log URL-OR-FOLDER VKEY [WITNESS-VKEY...]
    foreign.py receipt FILE VKEY [WITNESS-VKEY...]
    foreign.py fork FOLDER VKEY

where all witness keys that are given must have cosigned. URL or folder is the one that holds `checkpoint`
and `tile/`. Exit code 0 says that everything holds, 1 that something does not.
"""

from __future__ import annotations

import base64
import re
import struct
import sys
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fetch = Callable[[str], bytes]
"""Gives the bytes under a path such as `tile/0/000`."""

MAX_PAYLOAD = 1 << 20
MAX_SEQ = 1 << 53
MAX_DEPTH = 16
MAX_SIGNATURE_LINES = 1000
ORGANIZATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
KIND = re.compile(r"[a-z][a-z0-9]*(\.[a-z0-9]+)*")
ORIGIN = re.compile(r"(?P<organization>[^/]+)/(?P<network>[0-9a-f]{16})(/(?P<number>[1-9][0-9]*))?")
NEEDS_PERSON = {"agreement.sign", "confirm"}
FOR_ALL = {"log.open", "person.grant", "person.revoke", "node.address", "network.invite", "network.admit"}
FOR_ALL |= {"seen", "evidence", "tick"}


class Refused(Exception):
    """Something does not hold."""


def need(holds: object, what: str) -> None:
    """Refuse unless it holds."""
    if not holds:
        raise Refused(what)


# Strict msgpack (format, section 2): read loosely, write again in the one form, compare.


def read_msgpack(data: bytes) -> Any:
    """The one value that these bytes are the strict form of."""
    value, end = _read(data, 0, 0)
    need(end == len(data) and write_msgpack(value) == data, "not the one form of a msgpack value")
    return value


def write_msgpack(value: Any) -> bytes:
    """The one form of a value."""
    if value is None or isinstance(value, bool):
        return b"\xc0" if value is None else b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _write_int(value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), ((0xA0, 32), (0xD9, 1), (0xDA, 2), (0xDB, 4))) + data
    if isinstance(value, bytes):
        return _head(len(value), ((0xC4, 1), (0xC5, 2), (0xC6, 4))) + value
    if isinstance(value, list):
        return _head(len(value), ((0x90, 16), (0xDC, 2), (0xDD, 4))) + b"".join(map(write_msgpack, value))
    need(isinstance(value, dict) and all(isinstance(key, str) for key in value), "a type that is not allowed")
    items = sorted(value.items(), key=lambda item: item[0].encode())
    body = b"".join(write_msgpack(key) + write_msgpack(item) for key, item in items)
    return _head(len(items), ((0x80, 16), (0xDE, 2), (0xDF, 4))) + body


def _write_int(value: int) -> bytes:
    need(-(2**63) <= value < 2**63, "an integer out of range")
    if -32 <= value < 128:
        return struct.pack("b", value)
    forms = "\xccB \xcdH \xceI \xcfQ" if value > 0 else "\xd0b \xd1h \xd2i \xd3q"
    for form in forms.split():
        try:
            return form[0].encode("latin-1") + struct.pack(">" + form[1], value)
        except struct.error:
            continue
    raise AssertionError


def _head(length: int, forms: Sequence[tuple[int, int]]) -> bytes:
    for tag, size in forms:
        if size >= 16:
            if length < size:
                return bytes([tag + length])
        elif length < 256**size:
            return bytes([tag]) + length.to_bytes(size, "big")
    raise Refused("too long")


def _take(data: bytes, at: int, count: int) -> tuple[bytes, int]:
    need(at + count <= len(data), "msgpack ends early")
    return data[at : at + count], at + count


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    raw, at = _take(data, at, 1)
    first = raw[0]
    if first < 0x80 or first >= 0xE0:
        return (first if first < 0x80 else first - 256), at
    if 0xC0 <= first <= 0xC3:
        need(first != 0xC1, "an unused byte")
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if 0xCC <= first <= 0xD3:
        number, at = _take(data, at, 1 << (first - 0xCC & 3))
        return int.from_bytes(number, "big", signed=first >= 0xD0), at
    sort, length, at = _read_length(data, at, first)
    if sort in "sb":
        raw, at = _take(data, at, length)
        try:
            return (raw.decode() if sort == "s" else raw), at
        except UnicodeDecodeError as error:
            raise Refused("a string that is not UTF-8") from error
    need(depth < MAX_DEPTH, "nested too deep")
    items = []
    for _ in range(length * 2 if sort == "m" else length):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    if sort == "a":
        return items, at
    need(all(isinstance(key, str) for key in items[::2]), "a key that is no string")
    need(len(set(items[::2])) == length, "a key twice")
    return dict(zip(items[::2], items[1::2], strict=True)), at


def _read_length(data: bytes, at: int, first: int) -> tuple[str, int, int]:
    if first < 0xC0:
        sort = "m" if first < 0x90 else "a" if first < 0xA0 else "s"
        return sort, first & (0x1F if sort == "s" else 0x0F), at
    forms = {0xC4: "b1", 0xC5: "b2", 0xC6: "b4", 0xD9: "s1", 0xDA: "s2", 0xDB: "s4"}
    forms |= {0xDC: "a2", 0xDD: "a4", 0xDE: "m2", 0xDF: "m4"}
    need(first in forms, "a type that is not allowed")
    form = forms[first]
    raw, at = _take(data, at, int(form[1]))
    return form[0], int.from_bytes(raw, "big"), at


def read_map(data: bytes, *keys: str) -> dict[str, Any]:
    """A strict msgpack map with exactly these keys."""
    return check_map(read_msgpack(data), *keys)


def check_map(value: Any, *keys: str) -> dict[str, Any]:
    """The value, if it is a map with exactly these keys."""
    need(isinstance(value, dict) and sorted(value) == sorted(keys), f"no map of {', '.join(keys)}")
    return dict(value)


def is_bytes(value: Any, size: int) -> bool:
    """Whether it is a byte string of this size."""
    return isinstance(value, bytes) and len(value) == size


# Ed25519 with the rules of section 1.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


@cache
def check_public_key(key: bytes) -> None:
    """Refuse a key that is not a canonical point of prime order."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    need(len(key) == 32 and y < P, "a public key that is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - square) % P == 0 and (x or key[31] < 128), "a public key that is no point")
    if x & 1 != key[31] >> 7:
        x = P - x
    need((x, y) != (0, 1) and _times(L, (x, y)) == (0, 1), "a public key that is not of prime order")


def _times(count: int, point: tuple[int, int]) -> tuple[int, int]:
    total = (0, 1)
    while count:
        if count & 1:
            total = _plus(total, point)
        point, count = _plus(point, point), count >> 1
    return total


def _plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, P)
    return x % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P


def check_signature(key: bytes, message: bytes, signature: bytes) -> None:
    """Refuse a signature that is not by this key over this message."""
    check_public_key(key)
    need(len(signature) == 64, "a signature that is not 64 bytes")
    need(int.from_bytes(signature[32:], "little") < L, "a signature with S out of range")
    identities = [(y | sign << 255).to_bytes(32, "little") for y in (1, P + 1) for sign in (0, 1)]
    need(signature[:32] not in identities, "a signature with R the identity")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature as error:
        raise Refused("the signature does not fit") from error


# Signed notes, checkpoints, cosignatures.


@dataclass(frozen=True)
class Vkey:
    """Who signs, under which type, with which key."""

    name: str
    key_id: bytes
    type: int
    key: bytes


@dataclass(frozen=True)
class Head:
    """A verified checkpoint, and when which witness cosigned it (seconds)."""

    origin: str
    size: int
    root: bytes
    cosigned: Mapping[str, int]


def read_base64(text: str) -> bytes:
    """Standard base64 with padding, in its one form."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("not base64") from error
    need(base64.b64encode(data).decode() == text, "not the one form in base64")
    return data


def read_number(text: str) -> int:
    """Decimal digits without leading zeros."""
    need(re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII), "not a number")
    return int(text)


def make_vkey(name: str, kind: int, key: bytes) -> Vkey:
    """The verifier key of a name, a type (1 log, 4 witness) and a public key."""
    return Vkey(name, sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4], kind, key)


def read_vkey(text: str) -> Vkey:
    """A vkey from its text."""
    name, key_id, data = [*text.split("+", 2), "", ""][:3]
    raw = read_base64(data)
    need(len(raw) == 33 and raw[0] in (1, 4), "a vkey of another type")
    vkey = make_vkey(name, raw[0], raw[1:])
    need(name and not re.search(r"[\s+]", name) and key_id == vkey.key_id.hex(), "not a vkey")
    return vkey


def read_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The signed text, and who signed with which bytes."""
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise Refused("a note that is not UTF-8") from error
    need(not any(char < " " and char != "\n" for char in text), "a control character in a note")
    body, gap, tail = text.rpartition("\n\n")
    need(gap and tail.endswith("\n"), "a note without signatures")
    lines = tail[:-1].split("\n")
    need(len(lines) <= MAX_SIGNATURE_LINES, "too many signatures")
    found = []
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        need(match, "a signature line of another form")
        assert match is not None
        raw = read_base64(match[2])
        need(len(raw) > 4, "a signature line without a signature")
        found.append((match[1], raw))
    return body.encode() + b"\n", found


def verify_checkpoint(note: bytes, log: Vkey, witnesses: Iterable[Vkey] = ()) -> Head:
    """The head that the log signed and all these witnesses cosigned."""
    text, lines = read_note(note)
    rows = text.decode().split("\n")
    need(len(rows) == 4 and rows[3] == "", "a checkpoint has three lines")
    root = read_base64(rows[2])
    need(len(root) == 32, "a root that is not 32 bytes")
    head = Head(rows[0], read_number(rows[1]), root, {})
    need(log.type == 1 and head.origin == log.name, "a checkpoint of another log")
    times: dict[str, int] = {}
    for vkey in [log, *witnesses]:
        signatures = [raw[4:] for name, raw in lines if (name, raw[:4]) == (vkey.name, vkey.key_id)]
        need(signatures, f"no signature of {vkey.name}")
        for raw in signatures:
            if vkey.type == 1:
                check_signature(vkey.key, text, raw)
                continue
            need(len(raw) == 72, "a cosignature that is not 72 bytes")
            time = int.from_bytes(raw[:8], "big")
            need(time < 2**63, "a cosignature's time out of range")
            check_signature(vkey.key, b"cosignature/v1\ntime %d\n" % time + text, raw[8:])
            times[vkey.name] = time
    return Head(head.origin, head.size, head.root, times)


# The Merkle tree of RFC 6962.


def leaf_hash(entry: bytes) -> bytes:
    """What names an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node over two others."""
    return sha256(b"\x01" + left + right).digest()


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """The root over these hashes, as RFC 6962 section 2.1 defines it."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(tree_hash(hashes[:split]), tree_hash(hashes[split:]))


def check_inclusion(leaf: bytes, index: int, head: Head, proof: Sequence[bytes]) -> None:
    """RFC 9162, section 2.1.3.2."""
    need(index < head.size, "an index beyond the tree")
    node, last, found = index, head.size - 1, leaf
    for part in proof:
        need(last, "a proof that is too long")
        if node & 1 or node == last:
            found = node_hash(part, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, part)
        node, last = node >> 1, last >> 1
    need(last == 0 and found == head.root, "the proof does not lead to the root")


def implied_roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a path with its start leads to (RFC 9162, section 2.1.4.2, from step 4)."""
    need(0 < old < new and path, "no path between these sizes")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for part in path[1:]:
        need(last, "a path that is too long")
        if node & 1 or node == last:
            older, newer = node_hash(part, older), node_hash(part, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, part)
        node, last = node >> 1, last >> 1
    need(last == 0, "a path that is too short")
    return older, newer


def verify_fork(a: bytes, b: bytes, path: Sequence[bytes], log: Vkey) -> None:
    """Refuse unless the two notes, both signed by the log, cannot both be true (section 10)."""
    first, second = sorted((verify_checkpoint(a, log), verify_checkpoint(b, log)), key=lambda head: head.size)
    if first.size == second.size:
        need(first.root != second.root and not path, "two notes that say the same")
        return
    older, newer = implied_roots(first.size, second.size, path)
    need(newer == second.root, "the path does not lead to the larger note's root")
    need(older != first.root, "two notes that fit")


def verify_fork_of_entries(a: bytes, b: bytes, log: Vkey) -> None:
    """Refuse unless two receipts prove different entries at one position of the log."""
    first, second = verify_receipt(a, log).entry, verify_receipt(b, log).entry
    need(first.seq == second.seq and first.data != second.data, "two receipts that fit")


# A whole log in tiles.


@dataclass(frozen=True)
class Entry:
    """One entry, with the bytes that it is."""

    data: bytes
    seq: int
    prev: bytes
    time: int
    kind: str
    size: int
    commit: bytes


def read_entry(data: bytes) -> Entry:
    """An entry in its one form (section 4)."""
    value = read_msgpack(data)
    need(isinstance(value, list) and len(value) == 7, "an entry has seven fields")
    version, seq, prev, time, kind, size, commit = value
    need(all(type(item) is int for item in (version, seq, time, size)), "a number that is none")
    need(version == 1 and 0 <= seq <= MAX_SEQ and 0 <= time <= MAX_SEQ, "a number out of range")
    need(0 <= size <= MAX_PAYLOAD and is_bytes(prev, 32) and is_bytes(commit, 32), "a field out of range")
    need(isinstance(kind, str) and len(kind) <= 32 and KIND.fullmatch(kind), "not a kind")
    return Entry(data, *value[1:])


def verify_log(fetch: Fetch, log: Vkey, witnesses: Iterable[Vkey] = ()) -> tuple[Head, list[Entry]]:
    """Everything of a log: checkpoint, bundles, form and chain of all entries, every tile, the root."""
    head = verify_checkpoint(fetch("checkpoint"), log, witnesses)
    entries = [read_entry(data) for data in _bundles(fetch, head.size)]
    leaves = [leaf_hash(entry.data) for entry in entries]
    check_chain(entries, leaves, head.origin)
    need(tree_hash(leaves) == head.root, "the entries do not give the root")
    levels = [leaves]
    need(_level(fetch, 0, len(leaves)) == leaves, "the tiles are not over these entries")
    while len(levels[-1]) >= 256:
        below = levels[-1]
        level = [tree_hash(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
        need(_level(fetch, len(levels), len(level)) == level, f"a tile of level {len(levels)}")
        levels.append(level)
    need(not head.size or _from_tiles(levels, 0, head.size) == head.root, "the tiles do not give the root")
    return head, entries


def check_chain(entries: Sequence[Entry], leaves: Sequence[bytes], origin: str) -> None:
    """Each entry in its place, after the one before, the first after the network id."""
    match = ORIGIN.fullmatch(origin)
    need(match and ORGANIZATION.fullmatch(match["organization"]), "not an origin")
    assert match is not None
    need(not entries or entries[0].prev[:8].hex() == match["network"], "entry 0 is of another network")
    for seq, entry in enumerate(entries):
        need(entry.seq == seq, f"entry {seq} says it is {entry.seq}")
        need(seq == 0 or entry.prev == leaves[seq - 1], f"entry {seq} does not follow the one before")
        need((entry.kind == "log.open") == (seq == 0), "log.open is entry 0 and no other")


def tile_name(level: str, index: int, width: int) -> str:
    """The path of a tile or bundle."""
    groups = f"{index:03d}" if index < 1000 else f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < 256 else "")


def _bundles(fetch: Fetch, size: int) -> Iterable[bytes]:
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        data, at = fetch(tile_name("entries", index, width)), 0
        for _ in range(width):
            raw, at = _take(data, at, 2)
            entry, at = _take(data, at, int.from_bytes(raw, "big"))
            yield entry
        need(at == len(data), "bytes after the last entry of a bundle")


def _level(fetch: Fetch, level: int, count: int) -> list[bytes]:
    hashes = []
    for index in range(-(-count // 256)):
        width = min(256, count - index * 256)
        data = fetch(tile_name(str(level), index, width))
        need(len(data) == width * 32, "a tile of another size")
        hashes += [data[at : at + 32] for at in range(0, len(data), 32)]
    return hashes


def _from_tiles(levels: Sequence[Sequence[bytes]], start: int, end: int) -> bytes:
    """The root over leaves start to end, from the highest tiles that hold it."""
    count = end - start
    for level, hashes in enumerate(levels):
        if count == 256**level:
            return hashes[start // count]
    middle = start + (1 << (count - 1).bit_length() - 1)
    return node_hash(_from_tiles(levels, start, middle), _from_tiles(levels, middle, end))


# Receipts.


@dataclass(frozen=True)
class Receipt:
    """A verified receipt; the payload where it holds one."""

    head: Head
    entry: Entry
    payload: bytes | None


def verify_receipt(data: bytes, log: Vkey, witnesses: Iterable[Vkey] = ()) -> Receipt:
    """The entry of a receipt and its payload, proven to be in the log."""
    proof, gap, note = data.partition(b"\n\n")
    need(gap, "a receipt without a checkpoint")
    try:
        lines = proof.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Refused("a receipt that is not ASCII") from error
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "not a receipt")
    need(lines[1].startswith("extra ") and lines[2].startswith("index "), "a receipt without extra or index")
    hashes = [read_base64(line) for line in lines[3:]]
    need(all(len(part) == 32 for part in hashes), "a hash that is not 32 bytes")
    extra = read_msgpack(read_base64(lines[1][6:]))
    need(isinstance(extra, list) and len(extra) in (1, 3), "extra of another form")
    need(all(isinstance(part, bytes) for part in extra), "extra of another form")
    head = verify_checkpoint(note, log, witnesses)
    entry = read_entry(extra[0])
    need(entry.seq == read_number(lines[2][6:]), "an index that is not the entry's")
    check_inclusion(leaf_hash(entry.data), entry.seq, head, hashes)
    if len(extra) == 1:
        return Receipt(head, entry, None)
    check_payload(entry, extra[1], extra[2])
    return Receipt(head, entry, extra[2])


def check_payload(entry: Entry, salt: bytes, payload: bytes) -> None:
    """Refuse a payload that the entry did not commit to."""
    need(len(salt) == 16 and len(payload) == entry.size, "a salt or payload of another size")
    need(sha256(salt + payload).digest() == entry.commit, "the payload is not what the entry commits to")


# Statements, people, network, agreement.


def verify_statement(payload: bytes, kind: str) -> dict[str, Any]:
    """The statement in a payload (section 5)."""
    need(len(payload) <= MAX_PAYLOAD, "a payload over 1 MiB")
    value = read_map(payload, "audience", "body", "kind", "nonce", "signatures")
    need(value["kind"] == kind, "a statement of another kind than its entry")
    need(isinstance(value["body"], dict) and is_bytes(value["nonce"], 16), "no body or nonce")
    audience = value["audience"]
    need(audience is None or kind not in FOR_ALL, "a statement that must be for all members")
    if audience is not None:
        names = isinstance(audience, list) and all(isinstance(name, str) for name in audience)
        need(names and all(map(ORGANIZATION.fullmatch, audience)), "an audience that is none")
        need(audience == sorted(set(audience)), "an audience out of order")
    need(isinstance(value["signatures"], list), "no list of signatures")
    for signature in value["signatures"]:
        check_map(signature, "alg", "key", "role", "signature")
        need(signature["alg"] == "ed25519" and is_bytes(signature["key"], 32), "a signature of another form")
        need(isinstance(signature["role"], str) and is_bytes(signature["signature"], 64), "no role")
    keys = [signature["key"] for signature in value["signatures"]]
    need(keys == sorted(set(keys)), "signatures out of order")
    return value


def key_id(key: bytes) -> bytes:
    """What names a person's key."""
    return sha256(b"tallystick key v1\ned25519\n" + key).digest()


def check_people(
    statement: Mapping[str, Any], origin: str, people: Mapping[bytes, tuple[bytes, set[str]]]
) -> None:
    """Refuse unless every signature is by one of these people (key id: public key, roles) in her role."""
    if statement["kind"] in NEEDS_PERSON:
        need(statement["signatures"], "a statement that needs a person's signature")
    body = sha256(b"tallystick body v1\n" + write_msgpack(statement["body"])).digest()
    for signature in statement["signatures"]:
        need(signature["key"] in people, "a signature by a stranger")
        key, roles = people[signature["key"]]
        need(signature["role"] in roles, "a signature in a role that was not granted")
        signed = [signature["alg"], statement["kind"], origin, signature["key"], signature["role"]]
        message = write_msgpack([*signed, statement["nonce"], body])
        check_signature(key, b"tallystick signature v1\n" + message, signature["signature"])


def verify_statements(statements: Iterable[tuple[Entry, bytes | None]], origin: str) -> list[dict[str, Any]]:
    """The statements of one log in order, people as granted so far; None where a payload is missing."""
    people: dict[bytes, tuple[bytes, set[str]]] = {}
    nonces: set[bytes] = set()
    read = []
    for entry, payload in statements:
        if payload is None:
            continue
        statement = verify_statement(payload, entry.kind)
        need(statement["nonce"] not in nonces, f"entry {entry.seq}: a nonce twice in one log")
        nonces.add(statement["nonce"])
        check_people(statement, origin, people)
        body = statement["body"]
        if entry.kind == "log.open":
            check_opening(body, origin, entry.prev)
        elif entry.kind == "person.grant":
            check_map(body, "key", "name", "roles")
            check_public_key(body["key"])
            people[key_id(body["key"])] = (body["key"], set(body["roles"]))
        elif entry.kind == "person.revoke":
            people.pop(check_map(body, "key")["key"], None)
        read.append(statement)
    return read


def network_id(founding: bytes) -> bytes:
    """What names a network."""
    return sha256(b"tallystick founding v1\n" + founding).digest()


def words(identity: bytes) -> str:
    """What two people compare: the first eight bytes as four proquints."""
    consonants, vowels = "bdfghjklmnprstvz", "aiou"
    found = []
    for at in range(0, 8, 2):
        bits = int.from_bytes(identity[at : at + 2], "big")
        shape = (
            (consonants, 12, 15),
            (vowels, 10, 3),
            (consonants, 6, 15),
            (vowels, 4, 3),
            (consonants, 0, 15),
        )
        found.append("".join(letters[bits >> shift & mask] for letters, shift, mask in shape))
    return "-".join(found)


def check_opening(body: Mapping[str, Any], origin: str, prev: bytes) -> tuple[Vkey, Vkey]:
    """The vkeys of the log and its witness that entry 0 states, after it was found to fit."""
    check_map(body, "founding", "keys", "number", "organization", "title")
    identity = network_id(body["founding"])
    founding = read_map(body["founding"], "created", "founder", "name", "nonce", "policy", "v")
    need(founding["v"] == 1 and is_bytes(founding["nonce"], 16), "a founding of another form")
    need(identity == prev, "entry 0 follows another network's id")
    need(body["number"] == 1, "not the first log")
    need(origin == f"{body['organization']}/{identity[:8].hex()}", "entry 0 opens another log")
    keys = check_map(body["keys"], "log", "node", "recovery", "witness")
    founder = check_map(founding["founder"], "keys", "organization", "title")
    if founder["organization"] == body["organization"]:
        need(founder["keys"] == keys, "other keys than the founding has")
    for name in ("log", "node", "witness"):
        check_public_key(keys[name])
    need(is_bytes(keys["recovery"], 32), "no hash of a recovery key")
    witness = f"{body['organization']}/{identity[:8].hex()}/witness"
    return make_vkey(origin, 1, keys["log"]), make_vkey(witness, 4, keys["witness"])


def agreement_hash(document: bytes) -> bytes:
    """What names an agreement."""
    return sha256(b"tallystick agreement v1\n" + document).digest()


def write_nonce(key: str, index: int) -> bytes:
    """The nonce of the statement at this place of a write under an Idempotency-Key."""
    first, *rest = sha256(b"tallystick nonce v1\n" + key.encode() + b"\n%d" % index).digest()[:16]
    return bytes([first | 0x80, *rest])


# As a program.


def fetcher(place: str) -> Fetch:
    """Reads under a URL or in a folder."""
    if "://" not in place:
        return lambda path: Path(place, path).read_bytes()

    def fetch(path: str) -> bytes:
        with urllib.request.urlopen(f"{place.rstrip('/')}/{path}", timeout=30) as answer:
            return bytes(answer.read())

    return fetch


def main(arguments: Sequence[str]) -> int:
    """Verify what the arguments name; 0 if it holds."""
    if len(arguments) < 3 or arguments[0] not in ("log", "receipt", "fork"):
        sys.stderr.write(__doc__ or "")
        return 2
    what, place, *texts = arguments
    try:
        log, *witnesses = [read_vkey(text) for text in texts]
        if what == "log":
            head, _ = verify_log(fetcher(place), log, witnesses)
        elif what == "receipt":
            head = verify_receipt(Path(place).read_bytes(), log, witnesses).head
        else:
            path = [read_base64(line) for line in Path(place, "consistency").read_text("ascii").splitlines()]
            notes = [Path(place, name).read_bytes() for name in ("a.checkpoint", "b.checkpoint")]
            verify_fork(notes[0], notes[1], path, log)
            sys.stdout.write(f"{log.name}: a fork\n")
            return 0
    except Refused as error:
        sys.stdout.write(f"refused: {error}\n")
        return 1
    sys.stdout.write(f"{head.origin}: {head.size} entries, root {head.root.hex()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
