"""A log and a client of C2SP tlog-witness, written from the specifications alone; it imports nothing of ours.

RFC 6962 trees by their recursive definition, signed notes, checkpoints and cosignatures, with Ed25519 from
the `cryptography` package. Not a test module.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def consistency(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962, 2.1.2."""

    def subproof(m: int, part: list[bytes], whole: bool) -> list[bytes]:
        if m == len(part):
            return [] if whole else [tree_hash(part)]
        k = split(len(part))
        if m <= k:
            return [*subproof(m, part[:k], whole), tree_hash(part[k:])]
        return [*subproof(m - k, part[k:], False), tree_hash(part[:k])]

    return subproof(m, leaves, True) if m > 0 else []


@dataclass
class Signer:
    """A key under a name, for notes of one signature type."""

    name: str
    seed: bytes
    kind: int = 1

    @property
    def public(self) -> bytes:
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def line(self, text: str) -> str:
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"\u2014 {self.name} {b64(self.key_id + signature)}\n"


@dataclass
class Log:
    """A log with its key."""

    signer: Signer
    leaves: list[bytes] = field(default_factory=list)

    def grow(self, count: int) -> Log:
        start = len(self.leaves)
        self.leaves += [f"leaf {number}".encode() for number in range(start, start + count)]
        return self

    def text(self, size: int | None = None, extensions: str = "") -> str:
        size = len(self.leaves) if size is None else size
        return f"{self.signer.name}\n{size}\n{b64(tree_hash(self.leaves[:size]))}\n{extensions}"

    def note(self, size: int | None = None, extensions: str = "") -> str:
        text = self.text(size, extensions)
        return f"{text}\n{self.signer.line(text)}"

    def request(self, old: int, size: int | None = None) -> bytes:
        size = len(self.leaves) if size is None else size
        return body(old, consistency(old, self.leaves[:size]) if old < size else [], self.note(size))


def body(old: int | str, proof: list[bytes], note: str) -> bytes:
    return "".join([f"old {old}\n", *(f"{b64(item)}\n" for item in proof), "\n", note]).encode()


def check_cosignature(answer: str, note: str, vkey: str) -> int:
    """The time of the one line that the witness with this key answered; raises where it is not good."""
    name, key_id, key = vkey.split("+", 2)
    material = base64.b64decode(key, validate=True)
    if material[0] != 4 or not answer.endswith("\n"):
        raise ValueError("not a cosignature")
    lines = [line.split(" ") for line in answer[:-1].split("\n")]
    mine = [line for line in lines if line[0] == "\u2014" and line[1] == name and len(line) == 3]
    for line in mine:
        data = base64.b64decode(line[2], validate=True)
        if data[:4].hex() == key_id:
            (time,) = struct.unpack(">Q", data[4:12])
            text = note[: note.rindex("\n\n") + 1]
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(material[1:]).verify(data[12:], message)
            return int(time)
    raise ValueError("no line of the witness")
