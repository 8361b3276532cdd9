"""What must come out the same everywhere, as one hash for each part, printed as JSON.

`python -m tests.contracts.everywhere FOLDER` needs only what `contracts` needs, so that any Python can run it
with the packages of another. FOLDER holds the conformance cases.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from contracts.checker import inspect_document
from contracts.contract import load_contract
from contracts.decision import decision_body, evaluate
from contracts.document import Document, agreement_hash, format_document
from contracts.explain import Explainer
from contracts.page import contract_page
from contracts.program import Program
from contracts.reading import parse_contract_yaml
from contracts.render import render_text
from contracts.values import format_value
from ledger.errors import TallyError
from ledger.log.encoding import encode
from tests.conformance.contract_cases import read_cases, scenes_of
from tests.conformance.contract_play import play
from tests.contracts import language_vectors as told
from tests.contracts.conftest import DOCUMENTS, Story


def documents() -> Iterator[Document]:
    """Every example contract."""
    for file in sorted(DOCUMENTS.rglob("*.yaml")):
        yield parse_contract_yaml(file.read_bytes(), file.stem)


def stories(conformance: Path) -> Iterator[Story]:
    """Every conformance case that comes into force, played to its end."""
    for clause, cases in read_cases(conformance).items():
        for scene in scenes_of(clause, cases):
            if not scene.refusal:
                yield play(scene)


def problems() -> Iterator[str]:
    """What the checker says, also of documents that have lost one of their lines."""
    for file in sorted(DOCUMENTS.rglob("*.yaml")):
        lines = file.read_bytes().splitlines(keepends=True)
        for lost in range(-1, len(lines), 3):
            text = b"".join(line for number, line in enumerate(lines) if number != lost)
            try:
                yield from map(str, inspect_document(parse_contract_yaml(text)).problems)
            except TallyError as error:
                # The words for what is no YAML are the parser's, which is one of two; the place is ours.
                yield error.where if error.expected == "YAML" else str(error)


def language() -> Iterator[str]:
    """The frozen vectors of the language: values, and errors to the letter."""
    document = told.document_of(**told.VECTORS["document"])
    program = Program(document)
    states = {name: told.known_of(document, state) for name, state in told.VECTORS["states"].items()}
    for vector in told.VECTORS["vectors"]:
        look = told.look_of(program, states[vector.get("state", "none")], vector)
        try:
            yield format_value(program.compute_text(vector["expression"], look))
        except TallyError as error:
            yield str(error)


def decisions(conformance: Path) -> Iterator[bytes]:
    """The hashes of all decisions, and the statements that record them."""
    for story in stories(conformance):
        agreement = story.fold()
        for decision in evaluate(agreement, lambda origin, seq: True).decisions:
            yield decision.hash
            yield encode(decision_body(agreement, decision))


def explanations(conformance: Path) -> Iterator[str]:
    """Why every rule of them has fired or not, and what has become of every fact."""
    for story in stories(conformance):
        agreement = story.fold()
        yield repr([(fact.status, fact.reason, fact.awaiting) for fact in agreement.facts])
        yield repr([str(remark.text) for remark in agreement.remarks])
        explainer = Explainer(agreement)
        for rule in agreement.contract.document.rules:
            for key in explainer.keys_of(rule):
                yield repr(explainer.explain(rule, key))


def digests(conformance: Path) -> dict[str, str]:
    """One hash for each part."""
    signed = [format_document(document) for document in documents()]
    return {
        "agreement hashes": _digest(agreement_hash(one) for one in signed),
        "decisions": _digest(decisions(conformance)),
        "explanations": _digest(explanations(conformance)),
        "language": _digest(language()),
        "pages": _digest(contract_page(load_contract(one)) for one in signed),
        "problems": _digest(problems()),
        "prose": _digest(render_text(document) for document in documents()),
        "signed forms": _digest(signed),
    }


def _digest(parts: Iterator[str] | Iterator[bytes] | list[bytes]) -> str:
    out = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        out.update(len(data).to_bytes(8, "big") + data)
    return out.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests(Path(sys.argv[1])), indent=1))
