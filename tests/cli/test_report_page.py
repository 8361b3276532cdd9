"""The report as a page: what partners wrote is text in it, and every code has its plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.report_page import _MEANINGS, report_page
from ledger.audit.finding import CODES, Finding, Findings, Unchecked
from ledger.audit.log import Counts, LogAudit
from ledger.audit.report import Report

MADE = datetime(2026, 3, 2, tzinfo=UTC)
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "strong", "div"} | {
    "table",
    "tr",
    "th",
    "td",
    "ul",
    "li",
}


class Elements(HTMLParser):
    """The elements of a page, and whether each is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(text: str, code: str = "chain-changed") -> Elements:
    report = Report(
        target=text,
        checked=(text,),
        counts=Counts(),
        findings=(Finding(code=code, log=text, position=1, found=text, signer=text, action=text),),
        unchecked=(Unchecked(what=text, log=text), Unchecked(what=text, harmless=True, count=2)),
        logs=(LogAudit(origin=text, size=1, root=None, counts=Counts(), findings=Findings(), unchecked=()),),
    )
    parsed = Elements()
    parsed.feed(report_page(report, 1, MADE))
    parsed.close()
    return parsed


@given(
    st.text(max_size=60) | st.sampled_from(["<script>alert(1)</script>", "</style><img src=x>", "\x1b[2J"])
)
def test_whatever_a_partner_wrote_stays_text(text: str) -> None:
    parsed = page(text)
    assert parsed.open == []
    assert parsed.names <= ELEMENTS


def test_a_text_with_markup_is_shown_as_it_was_written() -> None:
    assert "<b>bold</b> & 'more'" in "".join(page("<b>bold</b> & 'more'").texts)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_plain_words(code: str) -> None:
    words = _MEANINGS.get(code) or _MEANINGS[code.partition("-")[0]]
    assert words in "".join(page("log", code).texts)


@pytest.mark.parametrize(
    ("codes", "harmless", "words"),
    [
        ((), True, "no entry was changed, exchanged or taken out since"),
        ((), False, "something that should be there was not to be had"),
        (("payload-changed",), True, "Rely on nothing that is named below"),
        (("payload-changed", "note-fork"), True, "two versions of the same records"),
        (("chain-missing",), True, "Records are missing"),
        (("head-older",), True, "Records that existed before are not shown any more"),
    ],
)
def test_the_verdict_in_plain_words_comes_before_everything_else(
    codes: tuple[str, ...], harmless: bool, words: str
) -> None:
    report = Report(
        target="home",
        checked=("entries",),
        counts=Counts(),
        findings=tuple(Finding(code=code, log="acme/0", found="x", action="ask") for code in codes),
        unchecked=(Unchecked(what="something", harmless=harmless),),
    )
    told = report_page(report, 1, MADE)
    assert words in told
    order = [told.index(words), told.index("What was verified"), told.index("<h2>What was checked")]
    assert order == sorted(order)
    assert ("What to do:" in told) == bool(codes)
