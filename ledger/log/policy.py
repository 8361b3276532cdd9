"""Policies (C2SP tlog-policy): which logs and which witnesses make a checkpoint count.

A text of lines; items are parted by spaces and tabs, empty lines and lines that begin with `#` say nothing:

```
log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> all|any|<k> <name>...
quorum <name>|none
```

A checkpoint counts if one of the logs signed it and the quorum holds: a witness that cosigned it, or a
group of which at least k members hold. A group and the quorum name only what stands above them. A name is
defined once and is a member of at most one group; one public key is one log and one witness. There is
exactly one quorum line. `none` is no name: as the quorum it asks for no cosignature.

Bytes are tab, line feed and 0x20 to 0x7E; those from 0x80 up are opaque, in names, URLs and comments. Every
line ends in a line feed, the last one too, so that a policy cut short is refused. Keys of logs are Ed25519
(type 0x01), those of witnesses cosignature/v1 (0x04). A witness with an ML-DSA-44 key (0x06) may stand in
a policy; its cosignatures are not checked here, so it never counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError, short
from ledger.log.checkpoint import check_cosignature, parse_any_checkpoint, parse_decimal
from ledger.log.note import (
    COSIGNATURE,
    ED25519,
    KEY_ID_BYTES,
    MAX_NAME_CHARACTERS,
    VerifierKey,
    check_note,
    parse_base64,
    parse_note,
    parse_vkey,
)

MAX_POLICY_BYTES = 1024 * 1024
NONE = "none"

ML_DSA_44 = 0x06
ML_DSA_44_KEY_BYTES = 1312

_REFUSED = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_BLANK = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints count; the name of its key is its origin."""

    vkey: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWitness:
    """A witness under the policy's name for it. `vkey` is None where the key's type is not checked here."""

    name: str
    key: str
    vkey: VerifierKey | None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGroup:
    """Holds where at least `threshold` of its members hold."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a policy file says, groups in the order in which they are defined."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str

    @property
    def vkeys(self) -> list[VerifierKey]:
        """The keys of the witnesses that can be checked."""
        return [witness.vkey for witness in self.witnesses if witness.vkey is not None]


def witness_of(name: str, vkey: VerifierKey, url: str = "") -> PolicyWitness:
    """A witness with a key that can be checked."""
    return PolicyWitness(name=name, key=vkey.text, vkey=vkey, url=url)


def format_policy(policy: Policy, comments: Iterable[str] = ()) -> str:
    """The policy as a file, under lines of comment; thresholds are written as numbers."""
    lines = [f"# {comment}".rstrip() for comment in comments]
    lines += [_line("log", log.vkey.text, log.url) for log in policy.logs]
    lines += [_line("witness", each.name, each.key, each.url) for each in policy.witnesses]
    lines += [_line("group", each.name, str(each.threshold), *each.members) for each in policy.groups]
    lines.append(_line("quorum", policy.quorum))
    text = "".join(f"{line}\n" for line in lines)
    if parse_policy(text) != policy:
        raise MalformedError("policy", found="another policy when read back", expected="names and keys")
    return text


def parse_policy(data: str | bytes, where: str = "policy") -> Policy:
    """The policy that a file says."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(raw) > MAX_POLICY_BYTES:
        raise TooLargeError(where, found=f"{len(raw)} bytes", expected=f"at most {MAX_POLICY_BYTES}")
    reading = _Reading()
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, 1):
        place = f"{where} line {number}"
        if (wrong := _REFUSED.search(line)) is not None:
            raise MalformedError(place, found=f"byte 0x{wrong[0].hex()}", expected="text, spaces and tabs")
        # Bytes that are not UTF-8 survive this as they are; nothing else is made of them.
        text = line.decode("utf-8", "surrogateescape").strip(" \t")
        if number == len(lines) and line:
            raise MalformedError(place, found="no line feed at its end", expected="whole lines")
        if text and not text.startswith("#"):
            reading.read(_BLANK.split(text), place)
    if reading.quorum is None:
        raise MalformedError(where, found="no quorum line", expected="exactly one")
    return Policy(
        logs=tuple(reading.logs),
        witnesses=tuple(reading.witnesses),
        groups=tuple(reading.groups),
        quorum=reading.quorum,
    )


def check_policy(policy: Policy, note: str | bytes, where: str = "checkpoint") -> dict[str, int]:
    """Whether a checkpoint counts; gives the times of the witnesses that cosigned it, by their names.

    Every line under a key of the policy must verify.

    Raises:
        InvalidError: no log of the policy signed it, a line does not verify, or the quorum is not reached.
    """
    signing_log(policy, note, where)
    cosigned = policy_cosignatures(policy, note, where)
    if not is_quorum(policy, cosigned):
        raise InvalidError(
            where,
            found=f"cosignatures of {', '.join(sorted(map(short, cosigned))) or 'no witness of the policy'}",
            expected=f"the policy's quorum {short(policy.quorum)}",
        )
    return cosigned


def signing_log(policy: Policy, note: str | bytes, where: str = "checkpoint") -> VerifierKey:
    """The key of the log of the policy that signed a checkpoint.

    Raises:
        InvalidError: none did.
    """
    parsed = parse_note(note, where)
    origin = parse_any_checkpoint(parsed.text, where).origin
    named = [log.vkey for log in policy.logs if log.vkey.name == origin]
    for vkey in named:
        if any(line.is_by(vkey) for line in parsed.signatures):
            check_note(parsed, vkey, where)
            return vkey
    raise InvalidError(
        where,
        found="no signature by its key" if named else f"log {short(origin)}",
        expected="a signed checkpoint of a log of the policy",
    )


def policy_cosignatures(policy: Policy, note: str | bytes, where: str = "checkpoint") -> dict[str, int]:
    """Which witnesses of the policy cosigned a checkpoint, and when first, by their names in the policy."""
    parsed = parse_note(note, where)
    times: dict[str, int] = {}
    for witness in policy.witnesses:
        for line in parsed.signatures:
            if witness.vkey is not None and line.is_by(witness.vkey):
                time_s = check_cosignature(note, line, witness.vkey, where)
                times[witness.name] = min(time_s, times.get(witness.name, time_s))
    return times


def is_quorum(policy: Policy, cosigned: Iterable[str]) -> bool:
    """Whether these witnesses, by their names in the policy, are enough."""
    holding = set(cosigned)
    for group in policy.groups:
        if sum(member in holding for member in group.members) >= group.threshold:
            holding.add(group.name)
    return policy.quorum == NONE or policy.quorum in holding


@dataclass(slots=True)
class _Reading:
    """A policy as far as it was read."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    keys: set[tuple[str, bytes]] = field(default_factory=set)

    def read(self, items: Sequence[str], where: str) -> None:
        """Take one line that says something."""
        match items:
            case ["log", key, *url] if len(url) <= 1:
                self._read_log(key, *url, where=where)
            case ["witness", name, key, *url] if len(url) <= 1:
                self._read_witness(name, key, *url, where=where)
            case ["group", name, threshold, *members] if members:
                self._read_group(name, threshold, members, where)
            case ["quorum", name]:
                self._read_quorum(name, where)
            case [word, *_]:
                raise MalformedError(
                    where,
                    found=f"{short(word)} and {len(items) - 1} items",
                    expected="log <vkey> [<url>], witness <name> <vkey> [<url>], "
                    "group <name> <threshold> <name>… or quorum <name>",
                )

    def _read_log(self, key: str, url: str = "", *, where: str) -> None:
        vkey = _parse_key(key, where)
        if vkey.key_type != ED25519:
            raise MalformedError(where, found=f"key type 0x{vkey.key_type:02x}", expected="a log's, 0x01")
        self._take_key("log", vkey.public_key, where)
        self.logs.append(PolicyLog(vkey, url))

    def _read_witness(self, name: str, key: str, url: str = "", *, where: str) -> None:
        self._define(name, where)
        if (public := _ml_dsa_key(key)) is not None:
            self._take_key("witness", public, where)
            self.witnesses.append(PolicyWitness(name=name, key=key, vkey=None, url=url))
            return
        vkey = _parse_key(key, where)
        if vkey.key_type != COSIGNATURE:
            raise MalformedError(where, found=f"key type 0x{vkey.key_type:02x}", expected="a witness's, 0x04")
        self._take_key("witness", vkey.public_key, where)
        self.witnesses.append(PolicyWitness(name=name, key=key, vkey=vkey, url=url))

    def _read_group(self, name: str, threshold: str, members: Sequence[str], where: str) -> None:
        for member in members:
            if member not in self.names:
                raise MalformedError(where, found=f"member {short(member)}", expected="a name defined above")
            if member in self.members:
                raise MalformedError(
                    where, found=f"{short(member)} in a group again", expected="a name in one group, once"
                )
            self.members.add(member)
        self._define(name, where)
        count = len(members)
        needed = {"all": count, "any": 1}.get(threshold) or parse_decimal(threshold, where, count)
        if needed < 1:
            raise MalformedError(where, found=f"threshold {threshold}", expected=f"1 to {count}, all or any")
        self.groups.append(PolicyGroup(name=name, threshold=needed, members=tuple(members)))

    def _read_quorum(self, name: str, where: str) -> None:
        if self.quorum is not None:
            raise MalformedError(where, found="a second quorum", expected="exactly one")
        if name != NONE and name not in self.names:
            raise MalformedError(
                where, found=f"quorum {short(name)}", expected="a name defined above, or none"
            )
        self.quorum = name

    def _define(self, name: str, where: str) -> None:
        if name == NONE or name in self.names:
            raise MalformedError(where, found=f"name {short(name)} again", expected="a new name, not none")
        self.names.add(name)

    def _take_key(self, what: str, public: bytes, where: str) -> None:
        if (what, public) in self.keys:
            raise MalformedError(where, found="a public key again", expected=f"one line for each {what}")
        self.keys.add((what, public))


def _parse_key(text: str, where: str) -> VerifierKey:
    try:
        return parse_vkey(text, where)
    except TallyError as error:  # its place is the line, whatever is wrong with the key
        raise MalformedError(where, found=error.found, expected=error.expected) from error


def _ml_dsa_key(text: str) -> bytes | None:
    """The public key in a vkey of type 0x06; None where it is of another type, or no such vkey."""
    name, _, rest = text.partition("+")
    key_id, _, key = rest.partition("+")
    try:
        material = parse_base64(key, "vkey")
    except MalformedError:
        return None
    if len(material) != 1 + ML_DSA_44_KEY_BYTES or material[0] != ML_DSA_44:
        return None
    named = name.encode("utf-8", "surrogateescape") + b"\n" + material
    fits = 0 < len(name) <= MAX_NAME_CHARACTERS and sha256(named).digest()[:KEY_ID_BYTES].hex() == key_id
    return material[1:] if fits else None


def _line(*items: str) -> str:
    return " ".join(item for item in items if item)
