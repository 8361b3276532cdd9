"""Writes the frozen vectors of members and statements beside itself, and refuses to overwrite any.

A vector that changes is a format that changed. If that is meant, remove the file by hand, run
`python tests/vectors/members/make.py`, and say in `docs/format.md` from which version on the new bytes hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from contracts.document import agreement_hash
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint, witness_vkey
from ledger.log.encoding import Value
from ledger.log.entry import Entry, commit_to, format_entry, leaf_hash
from ledger.log.kinds import KINDS
from ledger.log.note import add_signatures, log_vkey
from ledger.log.origin import format_origin, format_witness_name
from ledger.log.signature import public_key
from ledger.log.statement import Statement, body_hash, format_statement, write_nonce
from ledger.log.tree import EMPTY_ROOT, Frontier
from ledger.members.invitation import InvitationFile, seal_invitation, secret_hash
from ledger.members.network import (
    Founding,
    MemberKeys,
    Policy,
    format_founding,
    network_id,
    network_words,
    recovery_hash,
)
from ledger.members.people import key_id, sign_as_person, signed_bytes
from ledger.members.reopening import Reopening, opening_message, seal_opening
from ledger.members.roster import Address
from ledger.members.rotation import rotation_message, seal_rotation

FOLDER = Path(__file__).parent
TIME_MS = 1_700_000_000_000


def made(what: str, size: int = 32) -> bytes:
    """Bytes out of a name, in place of random ones."""
    return sha256(f"tallystick vectors: {what}".encode()).digest()[:size]


def keys_of(organization: str) -> MemberKeys:
    """The keys of a made-up organization."""
    log, node, recovery, witness = (
        public_key(made(f"{organization} {name}")) for name in ("log", "node", "recovery", "witness")
    )
    return MemberKeys(log=log, node=node, recovery=recovery_hash(recovery), witness=witness)


def founding(policy: Policy) -> bytes:
    """A network of acme."""
    return format_founding(
        Founding(
            name="Kaffee € 1",
            founder="acme",
            title="Acme Ltd",
            keys=keys_of("acme"),
            policy=policy,
            created_ms=TIME_MS,
            nonce=made("founding nonce", 16),
        )
    )


FOUNDING = founding(Policy())
NETWORK = network_id(FOUNDING)
ORIGIN = format_origin("acme", NETWORK)
PERSON = made("person")
DOCUMENT = b"the bytes of a document"
AGREEMENT = agreement_hash(DOCUMENT)


def network_vectors() -> dict[str, Any]:
    """Foundings with what follows from them."""
    foundings = {
        "all members witness": FOUNDING,
        "two witnesses, closed tiles": founding(Policy(tiles="members", witnesses=("acme", "bolt"))),
    }
    return {
        "recovery_public_key": public_key(made("acme recovery")),
        "recovery_hash": keys_of("acme").recovery,
        "networks": {
            name: {
                "founding": data,
                "network_id": network_id(data),
                "words": network_words(network_id(data)),
                "origin": format_origin("acme", network_id(data)),
                "second_log": format_origin("acme", network_id(data), 2),
                "log_vkey": log_vkey(format_origin("acme", network_id(data)), made("acme log")).text,
                "witness_vkey": witness_vkey(
                    format_witness_name("acme", network_id(data)), made("acme witness")
                ).text,
            }
            for name, data in foundings.items()
        },
    }


def bodies() -> dict[str, Mapping[str, Value]]:
    """A body of each kind that this version knows, and of one that it does not."""
    empty = seal_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT), made("acme log"))
    one = Frontier().extended([made("leaf")])
    note = seal_checkpoint(Checkpoint(origin=ORIGIN, size=1, root=one.root()), made("acme log"))
    keys: dict[str, Value] = keys_of("acme").as_map()
    opening: dict[str, Value] = {"organization": "acme", "title": "Acme Ltd"}
    return {
        "log.open": {"founding": FOUNDING, "keys": keys, "number": 1, **opening},
        "person.grant": {"key": public_key(PERSON), "name": "ana", "roles": ["clerk", "director"]},
        "person.revoke": {"key": key_id(public_key(PERSON))},
        "node.address": {"certificate": b"DER", "url": "https://acme.example:8443"},
        "network.invite": {"organization": "bolt", "secret": secret_hash(made("secret"))},
        "network.admit": {
            "invite": made("invite"),
            "keys": keys_of("bolt").as_map(),
            "open": made("open"),
            "organization": "bolt",
            "title": "Bolt",
        },
        "seen": {"heads": [note]},
        "evidence": {"notes": [empty, note], "origin": ORIGIN, "proof": [made("proof")]},
        "memo": {"text": "a remark, ein Wort €"},
        "event": {"capture": made("capture"), "context": "", "event": '{"a": 1}', "hash": made("event")},
        "agreement.propose": {"document": DOCUMENT, "replaces": None, "until": TIME_MS},
        "agreement.sign": {"agreement": AGREEMENT, "party": "seller", "proposal": made("proposal")},
        "fact": {
            "agreement": AGREEMENT,
            "attachments": [made("attachment")],
            "cites": [made("cited")],
            "fields": {"at": "2026-03-02T10:00:00Z", "pieces": "3"},
            "name": "delivered",
        },
        "confirm": {"agreement": AGREEMENT, "fact": made("fact")},
        "counted": {"agreement": AGREEMENT, "entries": [made("fact"), made("confirm")]},
        "tick": {},
        "decision": {
            "agreement": AGREEMENT,
            "effects": [{"kind": "state", "state": "delivered"}],
            "inputs": made("inputs"),
            "outcome": made("outcome"),
            "rule": "delivery",
            "timekeeper": [ORIGIN, 7],
        },
        "not.known": {"anything": [None, True, -1, {"x": b"\x00"}]},
    }


def rotated_keys() -> MemberKeys:
    """The keys that acme takes by a rotation."""
    log, recovery, witness = (public_key(made(f"acme {name} 2")) for name in ("log", "recovery", "witness"))
    return MemberKeys(log=log, node=keys_of("acme").node, recovery=recovery_hash(recovery), witness=witness)


def later_opening() -> Reopening:
    """What opens the second log of acme, which ended with two entries."""
    head = Frontier().extended([made("leaf"), made("another leaf")])
    pin = seal_checkpoint(Checkpoint(origin=ORIGIN, size=2, root=head.root()), made("acme log"))
    witness = cosign(pin, format_witness_name("bolt", NETWORK), made("bolt witness"), TIME_MS // 1000)
    return Reopening(
        founding=FOUNDING,
        organization="acme",
        title="Acme Ltd",
        number=2,
        keys=keys_of("acme again"),
        pin=add_signatures(pin, witness),
    )


def later_bodies() -> dict[str, Mapping[str, Value]]:
    """Bodies of the kinds, and forms of kinds, that came after the first network."""
    rotation = seal_rotation(
        ORIGIN,
        before=keys_of("acme"),
        after=rotated_keys(),
        old_seed=made("acme log"),
        new_seed=made("acme log 2"),
    )
    agreed: dict[str, Value] = {"agreement": AGREEMENT}
    proposed = {**agreed, "proposal": made("proposal")}
    decision = bodies()["decision"]
    return {
        "keys.rotate": rotation,
        "log.open": seal_opening(later_opening(), made("acme recovery")),
        "evidence.files": {
            "accused": f"{ORIGIN}/2",
            "files": {"recovery": keys_of("acme").recovery.hex() + "\n"},
            "form": "openings",
        },
        "agreement.withdraw": proposed,
        "agreement.decline": proposed,
        "agreement.terminate": {**agreed, "party": "seller", "text": "by both"},
        "timekeeper.replace": {**agreed, "head": later_opening().pin, "term": 1, "timekeeper": "port"},
        "correction": {
            **agreed,
            "decision": made("decision"),
            "effects": [{"kind": "state", "state": "delivered"}],
            "text": "the clock was wrong",
        },
        "decision": {**decision, "key": "lot 7"},
    }


def later_vectors() -> dict[str, Any]:
    """What is signed for a rotation and for the opening of a later log, and payloads with such bodies."""
    opened = later_opening()
    rows = statement_rows(later_bodies(), lambda kind: opened.origin if kind == "log.open" else ORIGIN)
    return {
        "rotation": {
            "origin": ORIGIN,
            "keys_before": keys_of("acme").as_map(),
            "keys_after": rotated_keys().as_map(),
            "message": rotation_message(ORIGIN, keys_of("acme"), rotated_keys()),
        },
        "opening": {
            "origin": opened.origin,
            "keys": opened.keys.as_map(),
            "pin": opened.pin,
            "recovery_key": public_key(made("acme recovery")),
            "recovery_hash": keys_of("acme").recovery,
            "message": opening_message(opened.origin, NETWORK, opened.keys, opened.pin),
        },
        "statements": rows,
    }


def statement_vectors() -> dict[str, Any]:
    """A payload of each kind with the entry that commits to it; two are signed by a person."""
    return {
        "origin": ORIGIN,
        "person_public_key": public_key(PERSON),
        "person_key_id": key_id(public_key(PERSON)),
        "document": DOCUMENT,
        "agreement_hash": AGREEMENT,
        "write_nonces": [
            {"key": key, "index": index, "nonce": write_nonce(key, index)}
            for key, index in (("k", 0), ("k", 1), ("8e03978e-40d5-43e8-bc93-6894a57f9324", 12))
        ],
        "statements": statement_rows(bodies(), lambda kind: ORIGIN),
    }


def statement_rows(
    made_bodies: Mapping[str, Mapping[str, Value]], origin_of: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Payloads with these bodies by kind, each with the entry that commits to it; entries are a chain."""
    rows, prev = [], NETWORK
    for seq, (kind, body) in enumerate(made_bodies.items()):
        nonce, salt = made(f"nonce {kind}", 16), made(f"salt {kind}", 16)
        signed = kind in KINDS and KINDS[kind].signed
        public = kind in KINDS and KINDS[kind].public
        origin = origin_of(kind)
        statement = Statement(
            kind=kind,
            audience=("bolt", "port") if kind.startswith("agreement.") and not public else None,
            body=body,
            nonce=nonce,
            signatures=(
                sign_as_person(
                    seed=PERSON, role="director", kind=kind, origin=origin, nonce=nonce, body=body
                ),
            )
            if signed
            else (),
        )
        payload = format_statement(statement)
        commit = commit_to(salt, payload)
        entry = format_entry(
            Entry(seq=seq, prev=prev, time_ms=TIME_MS + seq, kind=kind, size=len(payload), commit=commit)
        )
        prev = leaf_hash(entry)
        row = {"kind": kind, "payload": payload, "body_hash": body_hash(body), "salt": salt, "entry": entry}
        if signed:
            key = key_id(public_key(PERSON))
            row["signed_bytes"] = signed_bytes(
                kind=kind, origin=origin, key=key, role="director", nonce=nonce, body=body
            )
        rows.append(row)
    return rows


def invitation_vectors() -> dict[str, Any]:
    """An invitation with and one without a certificate."""
    invitation = InvitationFile(
        founding=FOUNDING,
        inviter="acme",
        organization="bolt",
        address=Address(url="https://acme.example:8443", certificate=b"DER"),
        secret=made("secret"),
    )
    plain = InvitationFile(
        founding=FOUNDING,
        inviter="acme",
        organization="bolt",
        address=Address(url="http://127.0.0.1:8000", certificate=None),
        secret=made("secret"),
    )
    return {
        "secret": made("secret"),
        "secret_hash": secret_hash(made("secret")),
        "files": [seal_invitation(item, made("acme node")) for item in (invitation, plain)],
    }


FILES = {
    "invitations.json": invitation_vectors,
    "later.json": later_vectors,
    "networks.json": network_vectors,
    "statements.json": statement_vectors,
}


def text_of(name: str) -> str:
    """The text that the file of this name must have; bytes are written as hex."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True, default=bytes.hex) + "\n"


def main() -> None:
    """Write every file that is not there."""
    for name in FILES:
        path = FOLDER / name
        if not path.exists():
            with path.open("x", encoding="ascii") as file:
                file.write(text_of(name))


if __name__ == "__main__":
    main()
