"""Statements' own rules: what a kind promises beyond its form, and the audit computes again."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.audit.payloads import Rule
from ledger.errors import InvalidError, short
from ledger.log.statement import Statement
from ledger.trace.check import check_captured_event
from ledger.trace.document import read_event
from ledger.trace.event_hash import event_hash


def check_event_statement(statement: Statement, where: str) -> None:
    """Check that an event's text is an EPCIS event, and that its CBV event hash is the one in the body."""
    event = read_event(statement.text("event").encode(), where=f"{where} event")
    check_captured_event(event)
    found = event_hash(event.value, statement.text("context"))
    if found != statement.data("hash"):
        raise InvalidError(
            f"{where} body.hash", found=f"event hash {short(statement.data('hash'))}", expected=short(found)
        )


RULES: Mapping[str, Rule] = {"event": check_event_statement}
"""The rules that the core knows; contracts bring theirs."""
