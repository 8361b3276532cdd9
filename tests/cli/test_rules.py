"""Rules of statements that an audit computes again."""

from __future__ import annotations

import pytest

from cli.rules import check_proposal
from ledger.errors import TallyError
from ledger.log.encoding import encode
from ledger.log.statement import Statement


def proposal(document: bytes) -> Statement:
    """A proposal of such a document."""
    body = {"document": document, "replaces": None, "until": None}
    return Statement(kind="agreement.propose", audience=None, body=body, nonce=bytes(16), signatures=())


def test_a_proposal_of_no_contract_is_refused() -> None:
    with pytest.raises(TallyError):
        check_proposal(proposal(encode({"contract": "1"})), "here")


def test_a_proposal_in_another_version_of_the_language_is_held_against_nobody() -> None:
    check_proposal(proposal(encode({"contract": "2"})), "here")
