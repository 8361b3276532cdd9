"""The network of a founding, and the keys that its members had when (sections 3 and 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from .encoding import check_map, is_bytes, need, read_map, write_msgpack
from .log import ORIGIN, Entry
from .note import Head, Vkey, make_vkey, read_head, read_note, signers
from .signature import check_public_key, check_signature
from .tree import leaf_hash

MAX_FOUNDING = 64 * 1024
KEYS = ("log", "node", "recovery", "witness")


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


def read_founding(data: bytes) -> dict[str, Any]:
    """The founding of a network (section 3)."""
    need(len(data) <= MAX_FOUNDING, "a founding over 64 KiB")
    founding = read_map(data, "created", "founder", "name", "nonce", "policy", "v")
    need(founding["v"] == 1 and is_bytes(founding["nonce"], 16), "a founding of another form")
    founder = check_map(founding["founder"], "keys", "organization", "title")
    check_keys(founder["keys"])
    policy = check_map(founding["policy"], "tiles", "witnesses")
    need(policy["tiles"] in ("open", "members"), "tiles for somebody else")
    named = policy["witnesses"]
    need(named == "members" or (isinstance(named, list) and named == sorted(set(named))), "no witness set")
    return founding


def check_keys(value: Any) -> dict[str, bytes]:
    """Four keys that may be enrolled."""
    keys = check_map(value, *KEYS)
    for name in ("log", "node", "witness"):
        check_public_key(keys[name])
    need(is_bytes(keys["recovery"], 32), "no hash of a recovery key")
    return keys


def split_origin(origin: str) -> tuple[str, int]:
    """Organization and number of a log."""
    match = ORIGIN.fullmatch(origin)
    need(match, "not an origin")
    assert match is not None
    return match["organization"], int(match["number"] or 1)


def check_opening(body: Mapping[str, Any], origin: str, prev: bytes) -> tuple[Vkey, Vkey]:
    """The vkeys of the log and its witness that entry 0 states, after it was found to fit."""
    organization, number = split_origin(origin)
    later = ("pin", "recovery") if number > 1 else ()
    check_map(body, "founding", "keys", "number", "organization", "title", *later)
    identity = network_id(body["founding"])
    founder = read_founding(body["founding"])["founder"]
    need(identity == prev, "entry 0 follows another network's id")
    need((body["number"], body["organization"]) == (number, organization), "entry 0 opens another log")
    need(number == 1 or number in range(2, 10_000), "a log of another number")
    base = f"{organization}/{identity[:8].hex()}"
    need(origin == (base if number == 1 else f"{base}/{number}"), "entry 0 opens another log")
    keys = check_keys(body["keys"])
    if number > 1:
        check_recovery(body, origin, identity)
    elif founder["organization"] == organization:
        need(founder["keys"] == keys, "other keys than the founding has")
    return make_vkey(origin, 1, keys["log"]), make_vkey(f"{base}/witness", 4, keys["witness"])


def check_recovery(body: Mapping[str, Any], origin: str, identity: bytes) -> bytes:
    """The hash of the recovery key that signed the opening of a later log."""
    recovery = check_map(body["recovery"], "key", "signature")
    pin = sha256(body["pin"].encode()).digest()
    message = b"tallystick opening v1\n" + write_msgpack([origin, identity, body["keys"], pin])
    check_signature(recovery["key"], message, recovery["signature"])
    return sha256(b"tallystick recovery v1\n" + recovery["key"]).digest()


@dataclass(frozen=True)
class Era:
    """The keys of a log from some position on; `end` is the size of the last note under them."""

    origin: str
    keys: dict[str, bytes]
    start: int = 0
    end: int | None = None
    end_time: int | None = None
    """When the entry was made that superseded the keys, in milliseconds."""

    @property
    def log_key(self) -> Vkey:
        """The key of notes of the sizes of this era."""
        return make_vkey(self.origin, 1, self.keys["log"])

    @property
    def witness_key(self) -> Vkey:
        """The key of cosignatures."""
        base = "/".join(self.origin.split("/")[:2])
        return make_vkey(f"{base}/witness", 4, self.keys["witness"])


@dataclass
class Network:
    """Members and their keys, as entries say; logs are read in their order, each from its start."""

    founding: bytes
    eras: dict[str, list[Era]] = field(default_factory=dict)
    """For each organization, the oldest first; a later log begins with an era of its own."""
    openings: dict[str, bytes] = field(default_factory=dict)
    invited: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The founder is there from the start."""
        self.identity = network_id(self.founding)
        said = read_founding(self.founding)
        self.founder: str = said["founder"]["organization"]
        self.witness_names = said["policy"]["witnesses"]
        self.eras.setdefault(self.founder, [Era(self._origin(self.founder), said["founder"]["keys"])])

    def _origin(self, organization: str) -> str:
        return f"{organization}/{self.identity[:8].hex()}"

    def fold(self, origin: str, entry: Entry, body: Mapping[str, Any]) -> None:
        """Take in what an entry says about members; refuse what has no effect."""
        organization, number = split_origin(origin)
        need(organization in self.eras, f"{origin} is no member's")
        if entry.kind == "log.open":
            check_opening(body, origin, self.identity)
            if number > 1:
                self._open_next(organization, origin, entry, body)
            need(self.eras[organization][-1].keys == body["keys"], "other keys than its admission")
            opening = self.openings.get(organization)
            need(number > 1 or opening in (None, leaf_hash(entry.data)), "another opening than was admitted")
        elif entry.kind == "keys.rotate":
            self._rotate(organization, origin, entry, body)
        elif entry.kind == "network.invite" and organization == self.founder:
            self.invited[leaf_hash(entry.data)] = body["organization"]
        elif entry.kind == "network.admit" and organization == self.founder:
            self._admit(body)

    def _admit(self, body: Mapping[str, Any]) -> None:
        name = body["organization"]
        keys = check_keys(body["keys"])
        need(self.invited.get(body["invite"]) == name, "an admission of somebody else than was invited")
        need(name not in self.eras, "an admission of a member")
        taken = [eras[-1].keys["witness"] for eras in self.eras.values()]
        need(keys["witness"] not in taken, "a witness key that another member has")
        self.eras[name] = [Era(self._origin(name), keys)]
        self.openings[name] = body["open"]

    def _rotate(self, organization: str, origin: str, entry: Entry, body: Mapping[str, Any]) -> None:
        before = self.eras[organization][-1]
        need(before.origin == origin, "a rotation in a log that ended")
        keys = check_keys(body["keys"])
        message = write_msgpack([origin, before.keys, keys])
        for name, key in (("old", before.keys["log"]), ("new", keys["log"])):
            check_signature(key, b"tallystick rotation v1\n" + message, body[name])
        need(keys["node"] == before.keys["node"], "a rotation of the node key")
        self._supersede(organization, entry)
        self.eras[organization].append(Era(origin, keys, entry.seq + 1))

    def _open_next(self, organization: str, origin: str, entry: Entry, body: Mapping[str, Any]) -> None:
        pin = read_head(read_note(body["pin"].encode())[0])
        eras = self.eras[organization]
        before = eras[-1]
        need(
            split_origin(origin)[1] == split_origin(before.origin)[1] + 1,
            "a log whose number is not the next",
        )
        need(pin.origin == before.origin and pin.size > 0, "a pin of another log, or of nothing")
        self.verify_note(body["pin"])
        need(before.start <= pin.size, "a rotation beyond the pin")
        named = check_recovery(body, origin, self.identity)
        need(named == before.keys["recovery"], "another recovery key than the log before named")
        self._supersede(organization, entry, pin.size)
        eras.append(Era(origin, check_keys(body["keys"])))

    def _supersede(self, organization: str, entry: Entry, end: int | None = None) -> None:
        last = self.eras[organization].pop()
        end = entry.seq + 1 if end is None else end
        self.eras[organization].append(Era(last.origin, last.keys, last.start, end, entry.time))

    def log_key(self, origin: str, size: int) -> Vkey:
        """The key that signs a log's notes of this size."""
        for era in self._eras(origin):
            if era.end is None or size <= era.end:
                return era.log_key
        return [*self._eras(origin)][-1].log_key

    def _eras(self, origin: str) -> Iterator[Era]:
        organization, _ = split_origin(origin)
        need(any(era.origin == origin for era in self.eras.get(organization, ())), f"{origin} is no member's")
        return (era for era in self.eras[organization] if era.origin == origin)

    def verify_note(self, note: str) -> tuple[Head, set[str]]:
        """The head of a note that its log signed, and which organizations cosigned it in time."""
        data = note.encode()
        head = read_head(read_note(data)[0])
        log = self.log_key(head.origin, head.size)
        known = {era.witness_key: era for eras in self.eras.values() for era in eras}
        found = signers(data, [log, *known])
        need(log in found, f"a note of {head.origin} that its log did not sign")
        times = {vkey: time for vkey, time in found.items() if vkey != log}
        names, keys = set(), set()
        for vkey, time in times.items():
            end = known[vkey].end_time
            if (end is None or time * 1000 <= end) and vkey.key not in keys:
                keys.add(vkey.key)
                names.add(split_origin(known[vkey].origin)[0])
        cosigned = {vkey.name: time for vkey, time in times.items()}
        return Head(head.origin, head.size, head.root, cosigned), names

    def witnesses(self, organization: str) -> set[str]:
        """The witness set of an organization's log."""
        members = set(self.eras)
        named = members if self.witness_names == "members" else members & set(self.witness_names)
        return named - {organization}

    def is_witnessed(self, note: str) -> bool:
        """Whether more than half of the witness set cosigned it."""
        head, names = self.verify_note(note)
        witnesses = self.witnesses(split_origin(head.origin)[0])
        return len(names & witnesses) * 2 > len(witnesses)
