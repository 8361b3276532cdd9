"""Policies (C2SP tlog-policy, with what section 6 adds)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from .encoding import Refused, need, read_base64, read_number
from .note import Head, Vkey, read_head, read_note, read_vkey, signers
from .receipt import Receipt, read_receipt

MAX_POLICY_BYTES = 1 << 20


@dataclass(frozen=True)
class Policy:
    """Logs, witnesses by name (None for one whose key is of another type), groups, and the quorum."""

    logs: tuple[Vkey, ...]
    witnesses: Mapping[str, Vkey | None]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    quorum: str

    def holds(self, name: str, signed: Mapping[Vkey, int]) -> bool:
        """Whether a witness, or enough members of a group, are among those who signed."""
        if name in self.groups:
            threshold, members = self.groups[name]
            return sum(self.holds(member, signed) for member in members) >= threshold
        return name == "none" or self.witnesses[name] in signed


def read_policy(data: bytes) -> Policy:
    """A policy from its bytes."""
    need(len(data) <= MAX_POLICY_BYTES, "a policy over 1 MiB")
    need(not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data), "a control character in a policy")
    need(data.endswith(b"\n"), "a policy that is cut short")
    reading = _Reading()
    for line in data.decode(errors="surrogateescape")[:-1].split("\n"):
        words = [word for word in re.split("[ \t]+", line) if word]
        if words and not words[0].startswith("#"):
            reading.take(words)
    need(reading.quorum, "a policy without a quorum")
    return Policy(tuple(reading.logs.values()), reading.witnesses, reading.groups, reading.quorum[0])


@dataclass
class _Reading:
    """What was read so far."""

    logs: dict[bytes, Vkey] = field(default_factory=dict)
    witnesses: dict[str, Vkey | None] = field(default_factory=dict)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: list[str] = field(default_factory=list)
    used: set[bytes | str] = field(default_factory=set)
    """Witness keys that stand there, and names that are in a group."""

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", text, *url] if len(url) < 2:
                vkey = read_vkey(text)
                need(vkey.type == 1 and vkey.key not in self.logs, "a log twice, or with another key")
                self.logs[vkey.key] = vkey
            case ["witness", name, text, *url] if len(url) < 2:
                self._define(name)
                self.witnesses[name] = self._witness(text)
            case ["group", name, threshold, first, *more]:
                members = (first, *more)
                for member in members:
                    need(
                        member in self.witnesses or member in self.groups, "a member that is not defined yet"
                    )
                    need(member not in self.used, "a member again")
                    self.used.add(member)
                self._define(name)
                known = {"all": len(members), "any": 1}
                count = known[threshold] if threshold in known else read_number(threshold)
                need(1 <= count <= len(members), "a threshold out of range")
                self.groups[name] = (count, members)
            case ["quorum", name]:
                defined = name == "none" or name in self.witnesses or name in self.groups
                need(defined and not self.quorum, "a quorum that is not defined, or a second one")
                self.quorum.append(name)
            case _:
                raise Refused("a line of another form")

    def _define(self, name: str) -> None:
        need(name != "none" and name not in self.witnesses and name not in self.groups, "a name again")

    def _witness(self, text: str) -> Vkey | None:
        name, key_id, data = [*text.split("+", 2), "", ""][:3]
        raw = read_base64(data)
        if len(raw) == 1313 and raw[0] == 6:
            said = sha256(name.encode(errors="surrogateescape") + b"\n" + raw).hexdigest()[:8]
            need(name and said == key_id, "not a vkey")
            vkey = None
        else:
            vkey = read_vkey(text)
            need(vkey.type == 4, "a witness with another key")
        need(raw[1:] not in self.used, "a witness twice")
        self.used.add(raw[1:])
        return vkey


def verify_by_policy(note: bytes, policy: Policy) -> Head:
    """The head of a note that a log of the policy signed and its quorum cosigned."""
    head = read_head(read_note(note)[0])
    logs = [vkey for vkey in policy.logs if vkey.name == head.origin]
    found = signers(note, [*logs, *(vkey for vkey in policy.witnesses.values() if vkey)])
    need(set(found) & set(logs), "no log of the policy signed it")
    need(policy.holds(policy.quorum, found), "too few cosigned")
    times = {vkey.name: time for vkey, time in found.items() if vkey.type == 4}
    return Head(head.origin, head.size, head.root, times)


def verify_receipt_by_policy(data: bytes, policy: Policy) -> Receipt:
    """A receipt whose note holds under a policy."""
    return read_receipt(data, lambda note: verify_by_policy(note, policy))
