"""Signed notes (C2SP signed-note): text with signature lines, and the keys that verify them.

A note is a text that ends in a line feed, an empty line, and one or more lines
`— <key name> <base64(key id | signature)>`. It is UTF-8 without control characters below U+0020 other
than line feeds. The last empty line separates text and signatures.

- key name: not empty, no Unicode space, no `+`
- key id = first 4 bytes of SHA-256(name | 0x0A | type | public key)
- vkey = `<name>+<hex key id>+<base64(type | public key)>`
- type 0x01 is Ed25519 over the text; 0x04 is a witness's cosignature (`ledger.log.checkpoint`)

Signature lines of unknown keys are kept and ignored. A line of a known key that does not verify refuses
the whole note. Base64 is standard, padded and canonical. Limits: 128 KiB (16 post-quantum signatures
fit), 100 signature lines.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import InvalidError, MalformedError, TooLargeError, short
from ledger.log.signature import check_public_key, check_signature, public_key, sign

MAX_NOTE_BYTES = 128 * 1024
MAX_SIGNATURES = 100
MAX_NAME_CHARACTERS = 256
KEY_ID_BYTES = 4

ED25519 = 0x01
COSIGNATURE = 0x04

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACE_OR_PLUS = re.compile(r"[\s+]")
_MARK = "— "


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key under a name; only keys that may be enrolled exist as a value."""

    name: str
    key_type: int
    public_key: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name, "verifier key")
        if self.key_type not in (ED25519, COSIGNATURE):
            raise MalformedError(
                f"verifier key {short(self.name)}", found=f"type {self.key_type}", expected="0x01 or 0x04"
            )
        check_public_key(self.public_key, f"verifier key {short(self.name)}")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; an aid for finding, not a proof."""
        return sha256(self.name.encode() + b"\n" + self._material).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The vkey."""
        return f"{self.name}+{self.key_id.hex()}+{format_base64(self._material)}"

    @property
    def _material(self) -> bytes:
        return bytes([self.key_type]) + self.public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line. What the signature's bytes mean is known only with the key."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line, with its line feed."""
        return f"{_MARK}{self.name} {format_base64(self.key_id + self.signature)}\n"

    def is_by(self, vkey: VerifierKey) -> bool:
        """Whether the line names this key; whether it is the key's work is for `check_note`."""
        return self.name == vkey.name and self.key_id == vkey.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines, none of them verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


def parse_vkey(text: str, where: str = "vkey") -> VerifierKey:
    """The key in a vkey of type 0x01 or 0x04."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedError(where, found=short(text), expected="name+hex key id+base64 key")
    material = parse_base64(parts[2], where)
    if not material:
        raise MalformedError(where, found="no key", expected="a type and a public key")
    vkey = VerifierKey(name=parts[0], key_type=material[0], public_key=material[1:])
    if parts[1] != vkey.key_id.hex():
        raise MalformedError(where, found=f"key id {short(parts[1])}", expected=vkey.key_id.hex())
    return vkey


def log_vkey(name: str, seed: bytes) -> VerifierKey:
    """The key that verifies what `sign_note` signs."""
    return VerifierKey(name=name, key_type=ED25519, public_key=public_key(seed))


def parse_note(data: str | bytes, where: str = "note") -> Note:
    """Text and signature lines of a note; verifies nothing."""
    whole = _checked_text(data, where)
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise MalformedError(where, found="no signature lines", expected="text, an empty line, signatures")
    return Note(text + "\n", parse_signature_lines(lines, where))


def format_note(note: Note) -> str:
    """The whole note as one string."""
    whole = f"{note.text}\n{''.join(signature.line for signature in note.signatures)}"
    if parse_note(whole) != note:
        raise MalformedError("note", found="another note when read back", expected="text and signature lines")
    return whole


def parse_signature_lines(lines: str, where: str = "signatures") -> tuple[NoteSignature, ...]:
    """Signature lines alone, as a witness answers them."""
    if not lines.endswith("\n"):
        raise MalformedError(where, found="no line feed at the end", expected="whole signature lines")
    if lines.count("\n") > MAX_SIGNATURES:
        raise TooLargeError(
            where, found=f"{lines.count(chr(10))} signatures", expected=f"at most {MAX_SIGNATURES}"
        )
    return tuple(_parse_line(line, where) for line in lines[:-1].split("\n"))


def add_signatures(note: str, lines: str) -> str:
    """The note with these signature lines added; lines that it has are not repeated."""
    parsed = parse_note(note)
    more = [line for line in parse_signature_lines(lines) if line not in parsed.signatures]
    return format_note(Note(parsed.text, (*parsed.signatures, *dict.fromkeys(more))))


def sign_note(text: str, name: str, seed: bytes) -> str:
    """A note with one Ed25519 signature."""
    message = encode_text(text, "note")
    signature = NoteSignature(name=name, key_id=log_vkey(name, seed).key_id, signature=sign(seed, message))
    return format_note(Note(text, (signature,)))


def check_note(note: Note, vkey: VerifierKey, where: str = "note") -> None:
    """Whether the text is signed by this key (type 0x01); every line that names the key must verify."""
    if vkey.key_type != ED25519:
        raise MalformedError(where, found=f"key type {vkey.key_type}", expected="an Ed25519 key, type 0x01")
    lines = [signature for signature in note.signatures if signature.is_by(vkey)]
    if not lines:
        raise InvalidError(where, found="no signature by this key", expected=f"one by {vkey.name}")
    for line in lines:
        check_signature(
            vkey.public_key, note.text.encode(), line.signature, f"{where}, signature by {vkey.name}"
        )


def check_key_name(name: str, where: str) -> None:
    """Whether a name may stand in a signature line."""
    fits = name and len(name) <= MAX_NAME_CHARACTERS and not _SPACE_OR_PLUS.search(name)
    if not fits or _CONTROL.search(name) or _SURROGATE.search(name):
        raise MalformedError(where, found=f"key name {short(name)}", expected="a name without spaces and +")


def parse_base64(text: str, where: str) -> bytes:
    """Standard base64, padded and canonical."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedError(where, found=f"base64 {short(text)}", expected="standard base64") from error
    if format_base64(data) != text:
        raise MalformedError(where, found=f"base64 {short(text)}", expected=f"{short(format_base64(data))}")
    return data


def format_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return b64encode(data).decode("ascii")


def encode_text(text: str, where: str) -> bytes:
    """UTF-8, which lone surrogates do not have."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise MalformedError(where, found="a lone surrogate", expected="UTF-8 text") from error


def _parse_line(line: str, where: str) -> NoteSignature:
    parts = line.removeprefix(_MARK).split(" ")
    if not line.startswith(_MARK) or len(parts) != 2:
        raise MalformedError(where, found=f"line {short(line)}", expected="— name base64")
    check_key_name(parts[0], where)
    data = parse_base64(parts[1], where)
    if len(data) <= KEY_ID_BYTES:
        raise MalformedError(
            where, found=f"{len(data)} bytes of signature", expected="a key id and a signature"
        )
    return NoteSignature(name=parts[0], key_id=data[:KEY_ID_BYTES], signature=data[KEY_ID_BYTES:])


def _checked_text(data: str | bytes, where: str) -> str:
    raw = encode_text(data, where) if isinstance(data, str) else data
    if len(raw) > MAX_NOTE_BYTES:
        raise TooLargeError(where, found=f"{len(raw)} bytes", expected=f"at most {MAX_NOTE_BYTES}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(where, found="bytes that are not UTF-8", expected="UTF-8") from error
    if _CONTROL.search(text):
        raise MalformedError(where, found="control characters", expected="text and line feeds")
    return text
