"""The prose with its params filled in."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import parse_document
from contracts.render import render_text
from ledger.errors import MalformedError
from ledger.log.encoding import encode


def rendered(text: str) -> str:
    tree: dict[str, Any] = {
        "contract": "1",
        "language": LANGUAGE_VECTORS,
        "name": "prose",
        "parties": {"seller": "acme", "buyer": "bolt"},
        "timekeeper": "port",
        "params": {
            "value": {"money": "200 USD"},
            "rate": {"decimal": "0.105"},
            "agreed": {"instant": "2019-01-11T03:24:00Z"},
            "pay": {"duration": "720 hours"},
            "yes": {"boolean": "true"},
        },
        "text": text,
        "rules": [],
    }
    return render_text(parse_document(encode(tree)))


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("{value}", "200.00 USD"),
        ("{rate:%} of {value}", "10.5% of 200.00 USD"),
        ("{rate}", "0.105"),
        ("at {agreed}", "at 2019-01-11 03:24:00 UTC"),
        ("{pay}", "30 days"),
        ("{yes}", "yes"),
        ("{seller} to {buyer}", "acme to bolt"),
        ("{{value}} {{}}", "{value} {}"),
        ("{{{value}}}", "{200.00 USD}"),
    ],
)
def test_placeholders(text: str, prose: str) -> None:
    assert rendered(text) == prose


@pytest.mark.parametrize(
    "text", ["{", "}", "{value", "{}", "{ value }", "{nothing}", "{value:%}", "{seller:%}", "{rate:x}", "{{}"]
)
def test_bad_placeholders(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        rendered(text)
    assert caught.value.where == "contract text"
