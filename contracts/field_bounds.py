"""The least and the greatest value that a field of a fact may have."""

from __future__ import annotations

from contracts.document import Document, FieldRule
from contracts.limits import NAME
from contracts.operations import ORDERED
from contracts.types import parse_typed
from contracts.values import Value
from ledger.errors import InvalidError, short


def field_bounds(document: Document, rule: FieldRule) -> tuple[Value | None, Value | None]:
    """The least and the greatest value of a field; a bound is a value, or the name of a param."""
    low, high = (_bound(document, rule, text) for text in (rule.least, rule.most))
    return low, high


def _bound(document: Document, rule: FieldRule, text: str | None) -> Value | None:
    if text is None:
        return None
    if rule.type.kind not in ORDERED:
        raise InvalidError(str(rule.place), found=f"a bound of {rule.type}", expected="an ordered type")
    if NAME.fullmatch(text):
        param = document.params.get(text)
        if param is None or param.type.kind != rule.type.kind:
            raise InvalidError(
                str(rule.place),
                found=f"the bound {short(text)}",
                expected=f"a value, or a param that is {rule.type.kind}",
                action=f"define {text} under params",
            )
        return param.value
    return parse_typed(rule.type, text, str(rule.place))
