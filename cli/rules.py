"""Every rule of statements that an audit computes again: the core's, and those of contracts.

Apart from the command, since each process of an audit loads it.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.reading import is_other_language, parse_document
from ledger.audit.payloads import Rule
from ledger.audit.rules import RULES
from ledger.log.statement import Statement


def check_proposal(statement: Statement, where: str) -> None:
    """Check that the document of a proposal is a contract that can be read.

    One of another version of the language is not judged: its decisions could not be checked here.
    """
    if is_other_language(statement.data("document")):
        return
    parse_document(statement.data("document"), f"{where} body.document")


EVERY_RULE: Mapping[str, Rule] = {**RULES, "agreement.propose": check_proposal}
