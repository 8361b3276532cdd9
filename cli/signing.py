"""Signing at this machine: a person reads, says yes, and their key signs; the node only records it.

The key never leaves this process; what goes to the node is the finished statement's body, nonce and
signature. Which key: the one that --as names, else the only one in the home that the roster still grants.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.call import Call
from cli.client import open_node
from cli.reading import OpenHome
from ledger.errors import ForbiddenError, MissingError
from ledger.log.encoding import Value
from ledger.log.statement import write_nonce
from ledger.members.people import Person, key_id, sign_as_person
from node.home import PEOPLE
from node.keyfiles import read_key, read_public


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A person who can sign at this machine, and under which role they do it."""

    person: Person
    role: str
    file: Path


def find_signer(home: OpenHome, name: str | None, roles: Collection[str] = ()) -> Signer:
    """Who signs: the person named, else the only one with a key here who has one of the roles (or any).

    Raises:
        MissingError: no such person has a key here.
        ForbiddenError: they have none of the roles, or several people could be meant.
    """
    able = [signer for person in people_here(home) if (signer := _as_signer(home, person, roles)) is not None]
    if name is not None:
        known = {person.name for person in people_here(home)}
        if name not in known:
            raise MissingError(
                f"person {name}",
                found="no key of theirs in this home",
                expected=", ".join(sorted(known)) or "a person: see `tally people add`",
            )
        able = [signer for signer in able if signer.person.name == name]
    if not able:
        raise ForbiddenError(
            "signature",
            found=f"nobody here with role {' or '.join(sorted(roles))}" if roles else "nobody who may sign",
            expected="a person who has it, with a key in this home",
            action="grant it: tally people add NAME --role ROLE",
        )
    if len(able) > 1:
        names = ", ".join(sorted(signer.person.name for signer in able))
        raise ForbiddenError(
            "signature", found=f"several who could sign: {names}", expected="one", action="say --as NAME"
        )
    return able[0]


def people_here(home: OpenHome) -> list[Person]:
    """The people whose grant holds and whose key lies in this home."""
    granted = home.state.roster.people_of(home.state.origin)
    found = []
    for person in (grants[-1] for grants in granted.values()):
        path = _key_file(home, person)
        if person.revoked_at is None and path.is_file() and key_id(read_public(path).public) in granted:
            found.append(person)
    return found


def _sign_body(
    call: Call, home: OpenHome, signer: Signer, kind: str, body: Mapping[str, Value]
) -> tuple[str, dict[str, object]]:
    """The request's idempotency key, and the nonce that belongs to it with the signature over the body."""
    opened = read_key(signer.file, call.passphrase())
    request_key = secrets.token_hex(16)
    nonce = write_nonce(request_key, 0)
    signature = sign_as_person(
        seed=opened.seed, role=signer.role, kind=kind, origin=home.state.origin, nonce=nonce, body=body
    )
    return request_key, {
        "nonce": nonce.hex(),
        "signatures": [
            {"key": signature.key.hex(), "role": signature.role, "signature": signature.signature.hex()}
        ],
    }


class Signed:
    """A body that a person signed here, to be sent to the node; the home may be closed between the two."""

    def __init__(
        self, call: Call, home: OpenHome, signer: Signer, kind: str, body: Mapping[str, Value]
    ) -> None:
        self._call = call
        self._key, self._signed = _sign_body(call, home, signer, kind, body)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Have the node record it."""
        with open_node(self._call.home) as node:
            return node.post(path, {**body, **self._signed}, key=self._key)


def check_yes(call: Call, yes: bool, question: str) -> None:
    """Check that the person at the terminal says yes, unless it was said with `--yes`.

    Raises:
        ForbiddenError: they say no.
        UsageError: there is nobody to ask.
    """
    if not yes and not call.confirm(question):
        raise ForbiddenError("signature", found="a no", expected="a yes", action="nothing to do")


def tell_recorded(call: Call, answer: Mapping[str, Any], text: str) -> None:
    """Answer with the entry that the node recorded, and say what comes of it."""
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])
    call.tell(text)


def _as_signer(home: OpenHome, person: Person, roles: Collection[str]) -> Signer | None:
    fitting = [role for role in person.roles if not roles or role in roles]
    return Signer(person=person, role=fitting[0], file=_key_file(home, person)) if fitting else None


def _key_file(home: OpenHome, person: Person) -> Path:
    return home.path / PEOPLE / f"{person.name}.key"
