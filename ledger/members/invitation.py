"""The invitation file: all that a newcomer needs to join, in one text (docs/format.md, section 8).

    tallystick invitation v1
    <base64 of strict msgpack {invitation: bytes, signature: 64 bytes}, lines of 76 characters>

    invitation = strict msgpack {address: {certificate, url}, founding, inviter, organization, secret},
                 and `node`, the inviter's node key, where it is another than the one in the founding
    signature  = Ed25519 by the inviter's node key over "tallystick invitation v1\\n" | invitation

A key that is not in the founding is the file's own word until the newcomer has the inviter's logs: whether
it is one of theirs is checked then (`check_inviter`). A forged file gains nobody more than its secret says.

Whoever holds the file may join in that name, once. The file could be to another network than the one
that was meant, so newcomer and member compare the network's words.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import InvalidError, MalformedError, short
from ledger.log.encoding import Value, decode, encode
from ledger.log.kinds import CERTIFICATE, NAME, URL
from ledger.log.note import format_base64, parse_base64
from ledger.log.signature import check_public_key, check_signature, sign
from ledger.members.network import Founding, parse_founding
from ledger.members.roster import Address, Roster

FIRST_LINE = "tallystick invitation v1"
MAX_FILE_BYTES = 128 * 1024
SECRET_BYTES = 32
_ACTION = "ask the member who invited you for the file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationFile:
    """What an invitation file says: the network, whom it invites, and where to call.

    `node`: the inviter's node key, None for the one in the founding.
    """

    founding: bytes
    inviter: str
    organization: str
    address: Address
    secret: bytes
    node: bytes | None = None

    def network(self) -> Founding:
        """The founding of the network that it invites to."""
        return parse_founding(self.founding)

    def node_key(self) -> bytes:
        """The key that signed the file, and that the inviter's certificate is of."""
        return self.node or self.network().keys.node


def secret_hash(secret: bytes) -> bytes:
    """The 32 bytes by which the founder's log names an invitation's secret."""
    return sha256(b"tallystick invitation secret v1\n" + secret).digest()


def seal_invitation(invitation: InvitationFile, node_seed: bytes) -> str:
    """The text of the file, signed by the inviter's node key (32-byte seed)."""
    said: dict[str, Value] = {
        "address": {"certificate": invitation.address.certificate, "url": invitation.address.url},
        "founding": invitation.founding,
        "inviter": invitation.inviter,
        "organization": invitation.organization,
        "secret": invitation.secret,
    }
    body = encode(said if invitation.node is None else said | {"node": invitation.node})
    outer = encode({"invitation": body, "signature": sign(node_seed, _signed(body))})
    lines = textwrap.wrap(format_base64(outer), 76)
    return "\n".join([FIRST_LINE, *lines, ""])


def open_invitation(text: str, where: str = "invitation") -> InvitationFile:
    """Read an invitation file and check the founder's signature on it.

    Raises:
        MalformedError: it is no invitation file of this version.
        InvalidError: the signature is not by the key in the founding, or the one that the file names.
    """
    first, _, rest = text.partition("\n")
    if first.strip() != FIRST_LINE or len(text) > MAX_FILE_BYTES:
        raise MalformedError(where, found=short(first), expected=f"first line {FIRST_LINE!r}", action=_ACTION)
    outer = decode(parse_base64("".join(rest.split()), where), where)
    if type(outer) is not dict or list(outer) != ["invitation", "signature"]:
        raise MalformedError(where, found=short(outer), expected="a map of invitation, signature")
    body, signature = outer["invitation"], outer["signature"]
    if type(body) is not bytes or type(signature) is not bytes:
        raise MalformedError(where, found="other types", expected="invitation and signature as bytes")
    invitation = _parse_body(decode(body, where), where)
    founding = invitation.network()
    if invitation.inviter != founding.founder:
        raise MalformedError(f"{where} inviter", found=invitation.inviter, expected=founding.founder)
    if invitation.node is not None:
        _check_named_key(invitation.node, founding, where)
    place = f"{where} signature of {founding.founder}"
    check_signature(invitation.node_key(), _signed(body), signature, place)
    return invitation


def check_inviter(roster: Roster, invitation: InvitationFile) -> None:
    """Check, once the inviter's logs are here, that the key of the file is one that they name.

    Raises:
        InvalidError: it is somebody else's.
    """
    logs = roster.members_logs.get(invitation.inviter, ())
    if invitation.node_key() not in {keys.node for log in logs for keys in (log.first, log.keys)}:
        raise InvalidError(
            f"invitation by {invitation.inviter}",
            found=f"node key {short(invitation.node_key())}",
            expected=f"one that a log of {invitation.inviter} names",
            action=f"ask {invitation.inviter} whether this file is theirs, and for a new one",
        )


def _check_named_key(node: bytes, founding: Founding, where: str) -> None:
    check_public_key(node, f"{where} node")
    if node == founding.keys.node:
        raise MalformedError(f"{where} node", found="the key in the founding", expected="no key, or another")


def _signed(body: bytes) -> bytes:
    return FIRST_LINE.encode() + b"\n" + body


def _parse_body(value: Value, where: str) -> InvitationFile:
    keys = ["address", "founding", "inviter", "organization", "secret"]
    if type(value) is not dict or [key for key in value if key != "node"] != keys:
        raise MalformedError(where, found=short(value), expected=f"a map of {', '.join(keys)}")
    address, founding, inviter, organization, secret = (value[key] for key in keys)
    node = value.get("node")
    if "node" in value and type(node) is not bytes:
        raise MalformedError(f"{where} node", found=short(node), expected="bytes")
    if type(address) is not dict or list(address) != ["certificate", "url"]:
        raise MalformedError(f"{where} address", found=short(address), expected="a map of certificate, url")
    url, certificate = address["url"], address["certificate"]
    if not (isinstance(url, str) and URL.fits(url)):
        raise MalformedError(f"{where} url", found=short(url), expected=URL.words)
    if not (certificate is None or (isinstance(certificate, bytes) and CERTIFICATE.fits(certificate))):
        raise MalformedError(f"{where} certificate", found=short(certificate), expected=CERTIFICATE.words)
    if type(founding) is not bytes:
        raise MalformedError(f"{where} founding", found=short(founding), expected="bytes")
    if type(secret) is not bytes or len(secret) != SECRET_BYTES:
        raise MalformedError(f"{where} secret", found=short(secret), expected=f"{SECRET_BYTES} bytes")
    for name, text in (("inviter", inviter), ("organization", organization)):
        if not NAME.fits(text):
            raise MalformedError(f"{where} {name}", found=short(text), expected=NAME.words)
    return InvitationFile(
        founding=founding,
        inviter=str(inviter),
        organization=str(organization),
        address=Address(url=url, certificate=certificate),
        secret=secret,
        node=node if isinstance(node, bytes) else None,
    )
