"""Key files: one private key each, sealed with a passphrase (docs/format.md, section 7).

    {
      "format": "tallystick key v1",
      "name": "log",
      "public": "<64 hex digits>",
      "kdf": {"name": "argon2id13", "ops": 2, "memory_bytes": 67108864, "salt": "<32 hex digits>"},
      "box": "<hex of nonce (24 bytes), authenticator (16), encrypted seed (32)>"
    }

- Written in exactly this form (keys in this order, two spaces, one object a line, lowercase hex, one line
  feed at the end) and read only in this form, so that no changed byte goes unnoticed.
- The box's key is argon2id13(passphrase, salt, ops, memory). Its nonce is the first 24 bytes of SHA-256
  over `tallystick key file v1⏎ | name | ⏎ | salt`: so the box fits no other name. The salt is new for
  every file, so no key and nonce are ever used twice.
- `memory_bytes` is a multiple of 1,024, since argon2 counts in KiB and would not tell the rest apart.
- The file has mode 0600 and belongs to the one who runs the node; looser files are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from ledger.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MissingError,
    TooLargeError,
    UnavailableError,
    UsageError,
    short,
)
from ledger.log.signature import SEED_BYTES, check_public_key, public_key
from node.disk import sync_folder

FORMAT = "tallystick key v1"
KDF_NAME = "argon2id13"
MAX_FILE_BYTES = 2048
MAX_PASSPHRASE_BYTES = 1024
MAX_MEMORY_BYTES = 1024 * 1024 * 1024
MAX_OPS = 20
SALT_BYTES = 16

_NONCE_BYTES = SecretBox.NONCE_SIZE
_BOX_BYTES = _NONCE_BYTES + SecretBox.MACBYTES + SEED_BYTES
_NAME = re.compile(r"log|witness|node|recovery|person/[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")

Random = Callable[[int], bytes]
"""Gives so many random bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one try at the passphrase costs."""

    ops: int
    memory_bytes: int


INTERACTIVE_COST = Cost(ops=argon2id.OPSLIMIT_INTERACTIVE, memory_bytes=argon2id.MEMLIMIT_INTERACTIVE)
MIN_COST = Cost(ops=argon2id.OPSLIMIT_MIN, memory_bytes=argon2id.MEMLIMIT_MIN)
"""For tests only: protects nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicPart:
    """What a key file says without its passphrase; believed only once the box is open."""

    name: str
    public: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An opened key. The seed never shows in a representation."""

    name: str
    seed: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyFile:
    name: str
    public: bytes
    cost: Cost
    salt: bytes
    box: bytes


def seal_key(
    name: str, seed: bytes, passphrase: bytes, *, random: Random, cost: Cost = INTERACTIVE_COST
) -> str:
    """The text of a new key file."""
    where = f"key {short(name)}"
    check_name(name, where)
    check_passphrase(passphrase, where)
    _check_cost(cost, where)
    salt = random(SALT_BYTES)
    box = SecretBox(_box_key(passphrase, salt, cost, where)).encrypt(seed, _nonce(name, salt))
    return _format(_KeyFile(name=name, public=public_key(seed), cost=cost, salt=salt, box=bytes(box)))


def open_key(text: str, passphrase: bytes, where: str) -> KeyPair:
    """The key in a key file's text."""
    file = _parse(text, where)
    check_passphrase(passphrase, where)
    if file.box[:_NONCE_BYTES] != _nonce(file.name, file.salt):
        raise InvalidError(
            where, found="a box for another name or salt", expected=f"the box of {file.name}", action=_RESTORE
        )
    try:
        seed = SecretBox(_box_key(passphrase, file.salt, file.cost, where)).decrypt(file.box)
    except CryptoError as error:
        raise ForbiddenError(
            where,
            found="a passphrase that does not open it, or a damaged file",
            expected="the passphrase it was sealed with",
            action="Try the passphrase again; if you are sure of it, restore the file from a backup.",
        ) from error
    if public_key(seed) != file.public:
        raise InvalidError(
            where, found="a public key of another seed", expected="the seed's own", action=_RESTORE
        )
    return KeyPair(name=file.name, seed=seed, public=file.public)


def write_key(path: Path, text: str) -> None:
    """Puts a new key file on disk, whole or not at all, and never over another file.

    Dying before the link leaves only a temporary file that nobody reads; after it, the whole file.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_EXCL, 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, a link refuses to replace
        finally:
            os.unlink(draft)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise ConflictError(
            str(path),
            found="a file already there",
            expected="a new name",
            action="Choose another place; key files are never overwritten.",
        ) from error
    except OSError as error:
        raise UnavailableError(str(path), found=error.strerror or "cannot be written") from error


def copy_key(source: Path, target: Path) -> None:
    """A key file once more, checked for its form; who else could read the source does not matter here.

    Raises:
        MissingError, MalformedError: there is no key file.
        ConflictError: there is a file at the target.
    """
    text = _read_text(source, lambda status: None)
    _parse(text, str(source))
    write_key(target, text)


def read_key(path: Path, passphrase: bytes) -> KeyPair:
    """The key in a key file that nobody else can read or write."""
    return open_key(_read_private_text(path), passphrase, str(path))


def read_public(path: Path) -> PublicPart:
    """Name and public key of a key file, without the passphrase."""
    file = _parse(_read_private_text(path), str(path))
    return PublicPart(name=file.name, public=file.public)


def find_passphrase(environ: Mapping[str, str], prompt: Callable[[], str] | None) -> bytes:
    """The passphrase: TALLY_PASSPHRASE, else the file TALLY_PASSPHRASE_FILE, else the prompt.

    No prompt (None) means that there is no terminal. Of a file, one line feed
    at the end does not belong to the passphrase.
    """
    if "TALLY_PASSPHRASE" in environ:
        return _passphrase_of(environ["TALLY_PASSPHRASE"], "TALLY_PASSPHRASE")
    if environ.get("TALLY_PASSPHRASE_FILE"):
        path = Path(environ["TALLY_PASSPHRASE_FILE"])
        text = _read_private_text(path)
        return _passphrase_of(text.removesuffix("\n").removesuffix("\r"), str(path))
    if prompt is None:
        raise UsageError(
            "passphrase",
            found="none, and no terminal to ask at",
            expected="TALLY_PASSPHRASE or TALLY_PASSPHRASE_FILE",
            action="Put the passphrase into a file that only you can read and set TALLY_PASSPHRASE_FILE.",
        )
    try:
        return _passphrase_of(prompt(), "passphrase")
    except EOFError as error:
        raise UsageError("passphrase", found="end of input", expected="a passphrase") from error


def check_name(name: str, where: str) -> None:
    """Whether a key may have this name."""
    if not _NAME.fullmatch(name):
        raise MalformedError(
            where, found=short(name), expected="log, witness, node, recovery or person/<name>"
        )


def check_passphrase(passphrase: bytes, where: str) -> None:
    """Whether these bytes may be a passphrase at all."""
    if not passphrase:
        raise UsageError(
            where,
            found="an empty passphrase",
            expected="at least one character",
            action="Choose a passphrase.",
        )
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise UsageError(where, found="a longer passphrase", expected=f"at most {MAX_PASSPHRASE_BYTES} bytes")


_RESTORE = "Restore the key file from a backup."


def _passphrase_of(text: str, where: str) -> bytes:
    try:
        passphrase = text.encode()
    except UnicodeEncodeError as error:  # the environment held bytes that are no UTF-8
        raise UsageError(where, found="bytes that are not UTF-8", expected="UTF-8 text") from error
    check_passphrase(passphrase, where)
    return passphrase


def _nonce(name: str, salt: bytes) -> bytes:
    return hashlib.sha256(b"tallystick key file v1\n" + name.encode() + b"\n" + salt).digest()[:_NONCE_BYTES]


def _box_key(passphrase: bytes, salt: bytes, cost: Cost, where: str) -> bytes:
    try:
        key: bytes = argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, cost.ops, cost.memory_bytes)
    except CryptoError as error:  # libsodium could not have the memory
        raise UnavailableError(
            where,
            found="not enough memory to open it",
            expected=f"{cost.memory_bytes // 2**20} MiB free",
            action="Free memory and try again.",
        ) from error
    return key


def _check_cost(cost: Cost, where: str) -> None:
    """Refuses before spending: a hostile file could ask for hours or terabytes."""
    if not MIN_COST.ops <= cost.ops <= MAX_OPS:
        raise InvalidError(
            where, found=f"{short(cost.ops)} ops", expected=f"{MIN_COST.ops} to {MAX_OPS}", action=_RESTORE
        )
    if not MIN_COST.memory_bytes <= cost.memory_bytes <= MAX_MEMORY_BYTES or cost.memory_bytes % 1024:
        raise InvalidError(
            where,
            found=f"{short(cost.memory_bytes)} bytes of memory",
            expected=f"{MIN_COST.memory_bytes} to {MAX_MEMORY_BYTES}, a multiple of 1024",
            action=_RESTORE,
        )


def _format(file: _KeyFile) -> str:
    kdf = {
        "name": KDF_NAME,
        "ops": file.cost.ops,
        "memory_bytes": file.cost.memory_bytes,
        "salt": file.salt.hex(),
    }
    rows = {
        "format": FORMAT,
        "name": file.name,
        "public": file.public.hex(),
        "kdf": kdf,
        "box": file.box.hex(),
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items())
    return f"{{\n{lines}\n}}\n"


def _parse(text: str, where: str) -> _KeyFile:
    if len(text) > MAX_FILE_BYTES:
        raise TooLargeError(
            where, found=f"{len(text)} characters", expected=f"at most {MAX_FILE_BYTES} bytes of key file"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(where, found="no JSON", expected="a key file", action=_RESTORE) from error
    try:
        file = _file_of(data, where)
        same = _format(file) == text
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedError(
            where, found="other keys or types", expected="a key file", action=_RESTORE
        ) from error
    if not same:
        raise MalformedError(
            where, found="another form or version", expected=f"the form of {FORMAT}", action=_RESTORE
        )
    _check_cost(file.cost, where)
    check_public_key(file.public, where)
    return file


def _file_of(data: dict[str, object], where: str) -> _KeyFile:
    kdf = data["kdf"]
    if not isinstance(kdf, dict) or type(kdf["ops"]) is not int or type(kdf["memory_bytes"]) is not int:
        raise TypeError("kdf")
    name = data["name"]
    if not isinstance(name, str):
        raise TypeError("name")
    check_name(name, where)
    return _KeyFile(
        name=name,
        public=_unhex(data["public"], 32, where),
        cost=Cost(ops=kdf["ops"], memory_bytes=kdf["memory_bytes"]),
        salt=_unhex(kdf["salt"], SALT_BYTES, where),
        box=_unhex(data["box"], _BOX_BYTES, where),
    )


def _unhex(value: object, length: int, where: str) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * length or not _HEX.fullmatch(value):
        raise MalformedError(where, found=short(value), expected=f"{2 * length} hex digits", action=_RESTORE)
    return bytes.fromhex(value)


def _read_private_text(path: Path) -> str:
    """The text of a small file that only its owner, who is us, can read and write."""
    return _read_text(path, lambda status: _check_private(status, path))


def _read_text(path: Path, check: Callable[[os.stat_result], None]) -> str:
    where = str(path)
    try:
        # Not blocking: a pipe under this name must not hold the node.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            check(os.fstat(file.fileno()))
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise MissingError(where, found="no such file", expected="a key or passphrase file") from error
    except OSError as error:
        raise UnavailableError(where, found=error.strerror or "cannot be read") from error
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError(where, found="a larger file", expected=f"at most {MAX_FILE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(where, found="bytes that are not UTF-8", expected="UTF-8 text") from error


def _check_private(status: os.stat_result, path: Path) -> None:
    where = str(path)
    if not stat.S_ISREG(status.st_mode):
        raise MalformedError(where, found="no regular file", expected="a key or passphrase file")
    if os.name != "posix":
        return  # modes say nothing there
    if status.st_uid != os.geteuid():
        raise ForbiddenError(
            where,
            found=f"a file of user {status.st_uid}",
            expected=f"one of user {os.geteuid()}, who runs this",
            action=f"chown {os.geteuid()} {path}",
        )
    if status.st_mode & 0o077:
        raise ForbiddenError(
            where,
            found=f"mode {stat.S_IMODE(status.st_mode):04o}, open to others",
            expected="0600",
            action=f"chmod 600 {path}",
        )
