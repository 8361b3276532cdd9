"""Whom to ask for payloads, and when to stop."""

from __future__ import annotations

from node.sync.missing import MAX_ASKED_AT_ONCE, MAX_WANTED_PER_LOG, Missing

LOG = "acme/0123456789abcdef"


def test_what_came_is_not_asked_for_again() -> None:
    missing = Missing()
    missing.want(LOG, [3, 1, 2])
    missing.got(LOG, [2])
    assert missing.to_ask("bolt", LOG) == [1, 3]
    assert missing.first(LOG) == 1


def test_a_holder_is_asked_once_the_others_still_are() -> None:
    missing = Missing()
    missing.want(LOG, [1])
    missing.refused("bolt", LOG, [1])
    assert missing.to_ask("bolt", LOG) == []
    assert missing.to_ask("cord", LOG) == [1]


def test_the_authors_refusal_is_the_last_word() -> None:
    missing = Missing()
    missing.want(LOG, [1])
    missing.refused("acme", LOG, [1])
    assert missing.origins() == []
    assert missing.first(LOG) is None


def test_what_is_wanted_and_asked_for_has_limits() -> None:
    missing = Missing()
    missing.want(LOG, range(MAX_WANTED_PER_LOG + 10))
    assert missing.count() == MAX_WANTED_PER_LOG
    assert len(missing.to_ask("bolt", LOG)) == MAX_ASKED_AT_ONCE
