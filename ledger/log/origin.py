"""Origins: the names of logs and of the keys that belong to them.

- organization: `[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?`, 1 to 32 characters
- origin: `<organization>/<first 16 hex digits of the network id>`; the logs that an organization opens
  after its first end in `/<number>`, from 2
- a log's key has the origin as its name, a witness's key `<organization>/<16 hex digits>/witness`
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import MalformedError, short

NETWORK_ID_BYTES = 32
MAX_LOG_NUMBER = 9999

_ORGANIZATION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_NETWORK = re.compile(r"[0-9a-f]{16}")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_WITNESS = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The parts of a log's name. `network` is the first 16 hex digits of the network id."""

    organization: str
    network: str
    number: int = 1

    def __post_init__(self) -> None:
        check_organization(self.organization, "origin")
        if not _NETWORK.fullmatch(self.network):
            raise MalformedError("origin", found=f"network {short(self.network)}", expected="16 hex digits")
        if not 1 <= self.number <= MAX_LOG_NUMBER:
            raise MalformedError("origin", found=f"number {self.number}", expected=f"1 to {MAX_LOG_NUMBER}")

    @property
    def text(self) -> str:
        """The origin as it stands in checkpoints."""
        first = f"{self.organization}/{self.network}"
        return first if self.number == 1 else f"{first}/{self.number}"

    @property
    def witness_name(self) -> str:
        """The name of the organization's witness key in this network."""
        return f"{self.organization}/{self.network}/{_WITNESS}"


def check_organization(name: str, where: str) -> None:
    """Whether a name may be an organization's."""
    if not _ORGANIZATION.fullmatch(name):
        raise MalformedError(
            where,
            found=f"organization {short(name)}",
            expected="1 to 32 of a-z, 0-9 and inner hyphens",
        )


def format_origin(organization: str, network_id: bytes, number: int = 1) -> str:
    """The name of an organization's log in the network with this id of 32 bytes."""
    return Origin(organization=organization, network=_short_id(network_id), number=number).text


def parse_origin(text: str, where: str = "origin") -> Origin:
    """The parts of a log's name; every log has one name."""
    parts = text.split("/")
    plain = len(parts) == 2 or (len(parts) == 3 and _NUMBER.fullmatch(parts[2]) and parts[2] != "1")
    if not plain:
        raise MalformedError(where, found=short(text), expected="<organization>/<16 hex digits>[/<number>]")
    number = int(parts[2]) if len(parts) == 3 else 1
    return Origin(organization=parts[0], network=parts[1], number=number)


def format_witness_name(organization: str, network_id: bytes) -> str:
    """The name of an organization's witness key."""
    return Origin(organization=organization, network=_short_id(network_id)).witness_name


def _short_id(network_id: bytes) -> str:
    if len(network_id) != NETWORK_ID_BYTES:
        raise MalformedError(
            "network id", found=f"{len(network_id)} bytes", expected=f"{NETWORK_ID_BYTES} bytes"
        )
    return network_id[:8].hex()
