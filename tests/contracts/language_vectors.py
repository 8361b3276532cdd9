"""The frozen vectors of the language, read for tests: their document, their states, one look for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contracts.document import Document
from contracts.facts_known import Closing, ExistingFact, Known, Moment
from contracts.limits import LANGUAGE_VECTORS
from contracts.look import Look
from contracts.program import Program
from contracts.reading import parse_document
from contracts.types import parse_typed
from contracts.values import Instant, Value, parse_value
from ledger.log.encoding import encode

FILE = Path(__file__).parent.parent / "vectors" / "contracts" / "language-1.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_bytes())
HEAD: dict[str, Any] = {
    "contract": "1",
    "language": LANGUAGE_VECTORS,
    "name": "vectors",
    "parties": {"seller": "acme", "buyer": "bolt"},
    "timekeeper": "port",
    "rules": [],
}


def document_of(**parts: Any) -> Document:
    """A document with these parts."""
    return parse_document(encode({**HEAD, **parts}))


def instant(text: str) -> Instant:
    value = parse_value("instant", text, "vectors")
    assert isinstance(value, Instant)
    return value


def existing(document: Document, told: dict[str, Any]) -> ExistingFact:
    """A fact of the vectors; it exists from the last of its countings on."""
    fields = {
        name: parse_typed(document.facts[told["name"]].fields[name].type, text, "vectors")
        for name, text in told["fields"].items()
    }
    confirmed = instant(told["confirmed"]) if "confirmed" in told else None
    counted = instant(told["counted"])
    return ExistingFact(
        name=told["name"],
        fields=fields,
        at=instant(told["at"]),
        counted=counted,
        confirmed=confirmed,
        entries=(f"{told['name']} {told['at']}".encode(),),
        since=Moment(instant=confirmed or counted, position=("port/0", 0)),
    )


def known_of(document: Document, state: dict[str, Any]) -> Known:
    """What is known in a state of the vectors."""
    known = Known()
    for told in state["facts"]:
        known.add(existing(document, told))
    for told in state["deadlines"]:
        at = instant(told["at"])
        key: Value | None = told.get("key")
        known.fix(told["name"], key, Closing(at=at, due_ms=at.ms, passed=told["passed"], entries=(b"tick",)))
    return known


def look_of(program: Program, known: Known, vector: dict[str, Any]) -> Look:
    """The look that a vector asks for."""
    own = existing(program.document, vector["own"]) if "own" in vector else None
    key = (vector["key"][0], vector["key"][1]) if "key" in vector else None
    return Look(program, known, key, own=own, later=vector.get("later", False))
