"""Carrying requests over HTTP: one client per partner, TLS to the certificate in the roster, no trust else.

No redirects, no proxies or certificates from the environment, no compressed answers; an answer is cut off
at its limit while it comes in, and has a deadline as a whole.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from ledger.errors import MalformedError, MissingError, TooLargeError, UnavailableError, short
from ledger.members.roster import Address
from node.sync.calls import Call, Reply
from node.tls import client_context

MAX_CONNECTIONS = 4
CONNECT_TIMEOUT_S = 10
MIN_ANSWER_BYTES_PER_S = 32 * 1024
MAX_HEADER_CHARS = 1024

AddressOf = Callable[[str], Address]
"""Where a member's node is called, as the roster (or an invitation) has it now."""

KeyOf = Callable[[str], bytes | None]
"""A member's node key, which its certificate must be of; None where it is not known."""


@dataclass(slots=True)
class _Line:
    """The client for one partner, as long as its address stays the same."""

    address: Address
    client: httpx.AsyncClient


class HttpTransport:
    """The transport of a running node."""

    def __init__(
        self, address_of: AddressOf, *, timeout_s: float, key_of: KeyOf = lambda partner: None
    ) -> None:
        self._address_of = address_of
        self._key_of = key_of
        self._timeout_s = timeout_s
        self._lines: dict[str, _Line] = {}

    async def request(self, partner: str, call: Call) -> Reply:
        """See `node.sync.calls.Transport`."""
        line = await self._line(partner)
        deadline_s = self._timeout_s + call.max_answer_bytes / MIN_ANSWER_BYTES_PER_S
        try:
            async with asyncio.timeout(deadline_s):
                return await _exchange(line, partner, call)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise UnavailableError(
                partner,
                found="no answer in time",
                expected=f"one within {self._timeout_s:g} s",
                action="see whether the partner's node runs and the network is up",
            ) from error
        except httpx.HTTPError as error:
            raise UnavailableError(
                partner,
                found=short(str(error) or type(error).__name__, 160),
                expected=f"an answer from {line.address.url}",
                action="see whether the partner's node runs, and whether its address or certificate changed",
            ) from error

    async def close(self) -> None:
        """Close every connection."""
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            await line.client.aclose()

    async def _line(self, partner: str) -> _Line:
        address = self._address_of(partner)
        line = self._lines.get(partner)
        if line is not None and line.address == address:
            return line
        fresh = _Line(address, self._client(partner, address))
        self._lines[partner] = fresh
        if line is not None:
            await line.client.aclose()
        return fresh

    def _client(self, partner: str, address: Address) -> httpx.AsyncClient:
        if address.url is None:
            raise MissingError(
                f"address of {partner}", found="none", expected="a url", action="it has to call this node"
            )
        return httpx.AsyncClient(
            base_url=_url(partner, address.url),
            verify=_context(partner, address, self._key_of(partner)),
            trust_env=False,
            follow_redirects=False,
            headers={"accept-encoding": "identity", "user-agent": "tallystick"},
            timeout=httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, CONNECT_TIMEOUT_S)),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
        )


def _url(partner: str, text: str) -> httpx.URL:
    """A member's own words for where it is: they may be anything that begins like an address."""
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii").encode("idna") if url.host else b""
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _no_address(partner, text) from error
    if not host or url.scheme not in ("http", "https") or not 0 < (url.port or 443) < 65_536:
        raise _no_address(partner, text)
    return url


def _no_address(partner: str, text: str) -> MalformedError:
    return MalformedError(
        f"address of {partner}",
        found=short(text),
        expected="http://host[:port] or https://host[:port]",
        action="it has to record another address",
    )


def _context(partner: str, address: Address, node_key: bytes | None) -> ssl.SSLContext | bool:
    """The pinned certificate; where TLS ends at a proxy, the machine's own certificate authorities."""
    if address.certificate is not None:
        return client_context(address.certificate, f"certificate of {partner}", node_key=node_key)
    if address.url is not None and address.url.startswith("https://"):
        return ssl.create_default_context()
    return False


async def _exchange(line: _Line, partner: str, call: Call) -> Reply:
    async with line.client.stream(
        call.method, call.path, content=call.body, headers=dict(call.headers)
    ) as response:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise MalformedError(
                f"{partner}: answer",
                found=f"content-encoding {short(encoding, 40)}",
                expected="an answer that is not compressed",
            )
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > call.max_answer_bytes:
                raise TooLargeError(
                    f"{partner}: answer",
                    found=f"more than {call.max_answer_bytes} bytes",
                    expected=f"at most {call.max_answer_bytes}",
                )
            chunks.append(chunk)
        headers = {name.lower(): value[:MAX_HEADER_CHARS] for name, value in response.headers.items()}
        return Reply(status=response.status_code, headers=headers, body=b"".join(chunks))
