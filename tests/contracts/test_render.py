"""The prose with its params filled in."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.document import Document
from contracts.limits import LANGUAGE_VECTORS
from contracts.reading import parse_document
from contracts.render import AROUND_CHARS, render_text, surroundings
from ledger.errors import MalformedError
from ledger.log.encoding import encode


def prose(text: str) -> Document:
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
    return parse_document(encode(tree))


def rendered(text: str) -> str:
    return render_text(prose(text))


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


@pytest.mark.parametrize(
    ("text", "around"),
    [
        ("{rate:%}", "“10.5%”"),
        ("{seller} pays {rate:%} of it, or {rate}.", "“acme pays 10.5% of it, or 0.105.”"),
        ("one two three four five six ({rate}) of a long text then so",
         "“… three four five six (0.105) of a long text …”"),
        ("x" * 500 + " {rate}", f"“… {'x' * (AROUND_CHARS - 1)} 0.105”"),
    ],
)  # fmt: skip
def test_a_param_is_shown_with_the_words_around_it(text: str, around: str) -> None:
    assert surroundings(prose(text)) == {"rate": around}


def test_what_the_prose_does_not_tell_has_no_words_around_it() -> None:
    assert surroundings(prose("{seller} and {{rate}}")) == {}
