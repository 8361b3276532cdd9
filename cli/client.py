"""Calling the node that runs a home: the operator's requests, over the connection that its home pins.

What writes goes this way, since only the running node may add to its log. The node says in its home where
it listens (`running`), and its certificate is the one that this home's own log names; the operator's token
is readable by the owner of the home alone. A refusal comes back as the error that the node raised.
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from cli.call import tally_at
from cli.reading import open_home
from ledger.errors import (
    ConflictError,
    ForbiddenError,
    ForkError,
    GapError,
    InvalidError,
    MalformedError,
    MissingError,
    RollbackError,
    TallyError,
    TooLargeError,
    UnavailableError,
    UsageError,
    short,
)
from node.home import read_token
from node.tls import client_context

RUNNING_FILE = "running"
TIMEOUT_S = 120

_ERRORS: Mapping[str, type[TallyError]] = {
    "too_large": TooLargeError,
    "malformed": MalformedError,
    "fork": ForkError,
    "gap": GapError,
    "rollback": RollbackError,
    "invalid": InvalidError,
    "forbidden": ForbiddenError,
    "missing": MissingError,
    "conflict": ConflictError,
    "unavailable": UnavailableError,
    "usage": UsageError,
}


class Answer(dict[str, Any]):
    """A map of a node's answer; what it lacks was not there when the node was started."""

    def __missing__(self, key: str) -> Any:
        raise UnavailableError(
            "answer of the node",
            found=f"no {short(key)}",
            expected="what this command needs",
            action="the running node is older than this command: stop it, and start it again",
        )


class NodeClient:
    """The operator's side of a running node."""

    def __init__(self, client: httpx.Client, home: Path) -> None:
        self._client = client
        self._home = home

    def post(self, path: str, body: object, *, key: str | None = None) -> Any:
        """Ask the node to write; repeated under the same key, it writes once."""
        content = json.dumps(body, ensure_ascii=False).encode()
        return self.post_bytes(path, content, key=key)

    def post_bytes(self, path: str, content: bytes, *, key: str | None = None) -> Any:
        """The same with a body of JSON text that goes as it is."""
        headers = {"content-type": "application/json", "idempotency-key": key or secrets.token_hex(16)}
        try:
            return self._answer(self._client.post(path, content=content, headers=headers))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def get(self, path: str) -> Any:
        """Ask the node for something."""
        try:
            return self._answer(self._client.get(path))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _answer(self, response: httpx.Response) -> Any:
        try:
            value = json.loads(response.content, object_pairs_hook=Answer)
        except ValueError as error:
            raise UnavailableError(
                f"node of {self._home}",
                found=f"an answer that is no JSON (status {response.status_code})",
                expected="JSON",
                action="look into the node's log",
            ) from error
        if response.is_success:
            return value
        raise _error_of(value, response.status_code)

    def _unreachable(self, error: httpx.HTTPError) -> UnavailableError:
        return UnavailableError(
            f"node of {self._home}",
            found=str(error) or type(error).__name__,
            expected="an answer",
            action=f"start it: {tally_at(self._home)} serve",
        )


@contextmanager
def open_node(home: Path) -> Iterator[NodeClient]:
    """The running node of a home.

    Raises:
        MissingError: there is no home.
        UnavailableError: no node runs it.
    """
    token = read_token(home)
    url = running_url(home)
    with (
        httpx.Client(
            base_url=url,
            verify=_pinned(home) if url.startswith("https") else True,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        ) as client,
    ):
        yield NodeClient(client, home)


def running_url(home: Path) -> str:
    """Where the node of a home listens; UnavailableError where none runs."""
    try:
        said = json.loads((home / RUNNING_FILE).read_text(encoding="utf-8"))
        return str(said["url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(
            f"node of {home}",
            found="not running",
            expected="a running node, since only it may add to the log",
            action=f"start it in another terminal: {tally_at(home)} serve",
        ) from error


def _pinned(home: Path) -> ssl.SSLContext:
    with open_home(home) as opened:
        address = opened.state.roster.addresses.get(opened.state.organization)
    if address is None or address.certificate is None:
        raise UnavailableError(
            f"node of {home}",
            found="no certificate of it in its log yet",
            expected="the one that it serves with",
            action="try again in a moment: a node that starts for the first time records it",
        )
    return client_context(address.certificate)


def _error_of(value: object, status: int) -> TallyError:
    """The error that the node raised, of the sort that its code names."""
    said = value.get("error") if isinstance(value, dict) else None
    texts = {key: str(item) for key, item in said.items()} if isinstance(said, dict) else {}
    sort = _ERRORS.get(texts.get("code", ""), UnavailableError)
    return sort(
        texts.get("where", "node"),
        found=texts.get("found", f"status {status}"),
        expected=texts.get("expected", ""),
        action=texts.get("action", ""),
    )
