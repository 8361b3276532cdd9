"""Who must sign a new version: no fewer people than the one before asks."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.document import Document
from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import parse_document
from contracts.signing import check_replaces
from ledger.errors import InvalidError
from ledger.log.encoding import encode


def document(sign: dict[str, Any], **parties: str) -> Document:
    tree: Any = {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
        "name": "deal",
        "parties": parties or {"seller": "acme", "buyer": "bolt"},
        "timekeeper": "port",
        "sign": sign,
        "rules": [],
    }
    return parse_document(encode(tree))


BEFORE = document({"seller": "1", "buyer": {"need": "2", "of": ["director", "finance"]}})


@pytest.mark.parametrize(
    "sign",
    [
        {"seller": "1", "buyer": {"need": "2", "of": ["director", "finance"]}},
        {"seller": "2", "buyer": {"need": "3", "of": ["finance"]}},
        {"seller": {"need": "1", "of": ["director"]}, "buyer": {"need": "2", "of": ["director"]}},
    ],
)
def test_a_new_version_that_asks_as_much_of_everybody_may_replace(sign: dict[str, Any]) -> None:
    check_replaces(BEFORE, document(sign), "offer")


@pytest.mark.parametrize(
    "sign",
    [
        {"seller": "1", "buyer": {"need": "1", "of": ["director", "finance"]}},
        {"seller": "1", "buyer": "2"},
        {"seller": "1", "buyer": {"need": "2", "of": ["director", "clerk"]}},
        {"seller": "1"},
    ],
)
def test_a_new_version_that_asks_less_of_a_party_may_not(sign: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="less of bolt"):
        check_replaces(BEFORE, document(sign), "offer")


def test_roles_may_have_other_names() -> None:
    sign = {"vendor": "1", "customer": {"need": "2", "of": ["director"]}}
    check_replaces(BEFORE, document(sign, vendor="acme", customer="bolt"), "offer")


def test_a_new_version_without_a_party_may_not() -> None:
    with pytest.raises(InvalidError, match="parties"):
        check_replaces(BEFORE, document({}, seller="acme", buyer="corner"), "offer")
