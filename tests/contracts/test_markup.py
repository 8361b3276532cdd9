"""Markup: nothing that somebody wrote becomes an element."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.markup import bullets, rows, tag, text_of


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    assert not set(text_of(text)) & set("<>\"'")
    assert tag("p", text).count("<") == 2


def test_what_shows_nothing_is_told_by_its_number() -> None:
    assert text_of("a\x00b\u202ec") == "a\\u0000b\\u202ec"


def test_attributes_are_escaped_and_named() -> None:
    assert tag("p", "x", class_='a"b', font_size="2") == '<p class="a&quot;b" font-size="2">x</p>'


def test_nothing_gives_no_list_and_no_table() -> None:
    assert bullets([]) == rows([]) == ""
    assert bullets(["a<b"]) == "<ul><li>a&lt;b</li></ul>"
