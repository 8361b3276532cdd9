"""A node's public side as `tally verify` reads it: its list of logs, and their tiles.

Nothing that it says is believed: keys come from a home or a vkey, or it is said that they came from the
node itself. Answers have limits of bytes and of time, no compression is accepted and no redirect followed.
Where a network keeps tiles to its members, requests are signed as those between nodes (docs/format.md,
section 8).
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cli.sources import check_length
from ledger.errors import MalformedError, MissingError, UnavailableError, UsageError, short
from ledger.log.note import VerifierKey, parse_vkey
from ledger.members.roster import Roster
from node.signing import sign_request
from node.tls import client_context

TIMEOUT_S = 20.0
FILE_TIMEOUT_S = 60.0
"""For one file as a whole, so that nobody answers by a byte now and then."""
MAX_LIST_BYTES = 1024 * 1024
MAX_LOGS = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A log that a node says it serves: its name, the key it names for it, and the path of its tiles."""

    origin: str
    vkey: VerifierKey
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks whom, by the origins of both, and the seed of the node key that says so."""

    sender: str
    recipient: str
    seed: bytes = field(repr=False)

    def headers(self, url: str) -> dict[str, str]:
        """What a request for an address carries, for a minute from now."""
        return sign_request(
            seed=self.seed,
            sender=self.sender,
            recipient=self.recipient,
            method="GET",
            path=urlsplit(url).path,
            query="",
            body=b"",
            now_s=int(time.time()),
        )


@dataclass(slots=True, eq=False)
class HttpFetch:
    """Files below an address; `certificate` (DER) is the one the node must show, None takes any; `caller`
    signs the requests, where somebody has to."""

    base: str
    certificate: bytes | None = None
    caller: Caller | None = None
    _client: httpx.Client | None = field(default=None, repr=False)

    def __reduce__(self) -> tuple[Callable[..., HttpFetch], tuple[str, bytes | None, Caller | None]]:
        return HttpFetch, (self.base, self.certificate, self.caller)

    def __call__(self, path: str, max_bytes: int, /) -> bytes:
        """The bytes of a file below the address."""
        url = self.base.rstrip("/") + path
        headers = self.caller.headers(url) if self.caller else {}
        until = time.monotonic() + FILE_TIMEOUT_S
        try:
            with self._opened().stream("GET", url, headers=headers) as answer:
                _check_status(answer.status_code, url)
                data = bytearray()
                for chunk in answer.iter_raw():
                    data += chunk
                    check_length(len(data), max_bytes, url)
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout(f"no whole answer within {FILE_TIMEOUT_S:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise UnavailableError(
                url,
                found=str(error) or type(error).__name__,
                expected="an answer",
                action="check the address, and the certificate if the node has a new one",
            ) from error
        return bytes(data)

    def below(self, path: str) -> HttpFetch:
        """Files below a path of this address, over the same connection."""
        return HttpFetch(self.base.rstrip("/") + path, self.certificate, self.caller, self._opened())

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(
                verify=_context(self.certificate),
                timeout=TIMEOUT_S,
                headers={"accept-encoding": "identity"},
                follow_redirects=False,
                trust_env=False,
            )
        return self._client


def read_logs(fetch: HttpFetch) -> list[Listed]:
    """The logs that a node says it serves.

    Raises:
        UnavailableError, MissingError: it does not say.
        MalformedError: what it says makes no sense.
    """
    where = f"{fetch.base}/logs"
    try:
        value: Any = json.loads(fetch("/logs", MAX_LIST_BYTES))
        rows = value["logs"]
        listed = [Listed(str(row["origin"]), parse_vkey(str(row["vkey"])), str(row["path"])) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedError(where, found="no list of logs", expected='{"logs": […]}') from error
    for log in listed:
        if not log.path.startswith("/") or len(listed) > MAX_LOGS:
            raise MalformedError(where, found=f"path {short(log.path)}", expected="a path of this node")
    return listed


def member_at(base: str, roster: Roster | None) -> str | None:
    """The member of the network that recorded this address."""
    known = roster.addresses.items() if roster else ()
    return next((name for name, at in known if at.url and at.url.rstrip("/") == base.rstrip("/")), None)


def is_address(target: str) -> bool:
    """Whether a target is an address of a node."""
    return target.startswith(("https://", "http://"))


def split_log_address(address: str) -> tuple[str, str]:
    """The node's own address, and the path of one log where the address names one."""
    parts = urlsplit(address)
    base, found, path = address.rstrip("/").partition("/log/")
    if parts.query or parts.fragment or not parts.netloc:
        raise UsageError(
            "address", found=short(address), expected="https://host:port, or that and /log/<hex>"
        )
    return (base, f"/log/{path}") if found else (base, "")


def read_certificate(path: Path) -> bytes:
    """A certificate out of a file, PEM or DER, as DER.

    Raises:
        UsageError: there is no file, or it holds no certificate.
    """
    try:
        data = path.read_bytes()[:65536]
    except OSError as error:
        raise UsageError(str(path), found=error.strerror or "", expected="a certificate") from error
    try:
        pem = b"-----BEGIN" in data
        certificate = x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise UsageError(str(path), found="no certificate", expected="PEM or DER") from error
    return certificate.public_bytes(Encoding.DER)


def _check_status(status: int, url: str) -> None:
    if status == httpx.codes.NOT_FOUND:
        raise MissingError(url, found="404", expected="a file of the log")
    if status != httpx.codes.OK:
        raise UnavailableError(
            url,
            found=f"status {status}",
            expected="200",
            action="ask whether the network lets outsiders read tiles; a member reads them with --home",
        )


def _context(certificate: bytes | None) -> ssl.SSLContext:
    if certificate is not None:
        return client_context(certificate)
    # Whoever has no certificate to pin checks signatures all the same, and is told what that leaves open.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
