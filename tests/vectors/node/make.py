"""Writes the frozen vectors of what nodes keep and send beside itself, and refuses to overwrite any.

A vector that changes is a format that changed. If that is meant, remove the file by hand, run
`python tests/vectors/node/make.py`, and say in `docs/format.md` from which version on the new bytes hold.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.log.signature import public_key
from node.keyfiles import MIN_COST, seal_key
from node.signing import sign_request
from node.store.indexing import event_identity
from node.sync.wire import (
    Batch,
    Heads,
    JoinAnswer,
    JoinRequest,
    PayloadsRequest,
    PullRequest,
    PushAnswer,
    format_batch,
    format_heads,
    format_join_answer,
    format_join_request,
    format_payloads,
    format_payloads_request,
    format_pull_request,
    format_push_answer,
)

FOLDER = Path(__file__).parent
ORIGIN = "acme/0123456789abcdef"
NOTE = f"{ORIGIN}\n1\nroot\n\n— {ORIGIN} signature\n"
PASSPHRASE = "correct horse"


def made(what: str, size: int = 32) -> bytes:
    """Bytes out of a name, in place of random ones."""
    return sha256(f"tallystick vectors: {what}".encode()).digest()[:size]


BATCH = Batch(
    origin=ORIGIN,
    start=3,
    entries=[b"entry 3", b"entry 4"],
    payloads=[(3, made("salt", 16), b"payload 3")],
    checkpoint=NOTE,
    proof=[made("proof")],
    witnessed=None,
)


def key_vectors() -> dict[str, Any]:
    """Key files of each name, at the lowest cost."""
    return {
        "passphrase": PASSPHRASE,
        "keys": [
            {
                "seed": made(f"key {name}"),
                "public": public_key(made(f"key {name}")),
                "file": seal_key(
                    name,
                    made(f"key {name}"),
                    PASSPHRASE.encode(),
                    random=lambda size, name=name: made(f"key salt {name}", size),  # type: ignore[misc]  # a lambda's default has no type
                    cost=MIN_COST,
                ),
            }
            for name in ("log", "witness", "node", "recovery", "person/ana")
        ],
    }


def message_vectors() -> dict[str, Any]:
    """The bodies of every request and answer; what stands in for notes and entries is no note or entry."""
    witnessed = Batch(origin=ORIGIN, start=0, entries=[], payloads=[], checkpoint=NOTE, witnessed=NOTE)
    return {
        "batch": format_batch(BATCH),
        "batch_witnessed": format_batch(witnessed),
        "push_answer": format_push_answer(PushAnswer(size=5, cosignature="— bolt line\n")),
        "push_answer_wanting": format_push_answer(PushAnswer(size=3)),
        "pull": format_pull_request(PullRequest(origin=ORIGIN, start=3, limit_bytes=65_536)),
        "heads": format_heads(Heads(notes=[NOTE], time_ms=1_700_000_000_000)),
        "payloads": format_payloads_request(PayloadsRequest(origin=ORIGIN, seqs=[3, 300])),
        "payloads_answer": format_payloads([(3, made("salt", 16), b"payload 3")]),
        "join": format_join_request(JoinRequest(batch=BATCH, secret=made("secret"))),
        "join_answer": format_join_answer(JoinAnswer(admitted=made("leaf"), batches=[witnessed])),
    }


def request_vectors() -> dict[str, Any]:
    """Requests with the headers that sign them."""
    requests = [("POST", "/sync/v1/push", "", b"body"), ("GET", "/log/ab/checkpoint", "a=%20b&c", b"")]
    return {
        "seed": made("node key"),
        "public": public_key(made("node key")),
        "requests": [
            {
                "method": method,
                "path": path,
                "query": query,
                "body": body,
                "headers": sign_request(
                    seed=made("node key"),
                    sender=ORIGIN,
                    recipient="bolt/0123456789abcdef",
                    method=method,
                    path=path,
                    query=query,
                    body=body,
                    now_s=1_700_000_000,
                ),
            }
            for method, path, query, body in requests
        ],
    }


def identity_vectors() -> dict[str, Any]:
    """By what a captured event is recognised as captured before."""
    digest = made("event hash")
    cases = [("", ""), ("urn:uuid:1", ""), ("urn:uuid:1", '{"reason":"x"}')]
    return {
        "hash": digest,
        "identities": [
            {"event_id": event_id, "declaration": text, "identity": event_identity(digest, event_id, text)}
            for event_id, text in cases
        ],
    }


FILES = {
    "identities.json": identity_vectors,
    "keys.json": key_vectors,
    "messages.json": message_vectors,
    "requests.json": request_vectors,
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
