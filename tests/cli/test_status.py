"""The one screen of `tally status`: short where all is well, and what it says where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

FINCA = ("--home", "finca")


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], object]], None]:
    """Changes what the node answers."""

    def change(act: Callable[[Any], object]) -> None:
        get = httpx.Client.get

        def changed_get(client: httpx.Client, path: str) -> httpx.Response:
            value = get(client, path).json()
            act(value)
            return httpx.Response(200, json=value)

        monkeypatch.setattr(httpx.Client, "get", changed_get)

    return change


def test_where_all_is_well_it_is_short(running: Any) -> None:
    running.until(
        lambda: running(*FINCA, "status").out.endswith("Wrong\n  nothing that this home knows of\n")
    )
    text = running(*FINCA, "status").out
    assert "Waits for you\n  nothing\n" in text
    assert "Outside witnesses" not in text


def test_decisions_that_differ_are_wrong_and_where_to_look_is_said(running: Any, changed: Any) -> None:
    differs = {
        "agreement": "ab" * 32,
        "name": "sale",
        "rule": "payment",
        "key": "L1",
        "disputed_by": ["roast"],
    }
    changed(lambda value: value["waiting"].update(disputed=[differs]))
    text = running(*FINCA, "status").out
    assert "roast recorded another decision of payment for L1 in 'sale'" in text
    assert f"tally --home finca agree show {'ab' * 8} --why" in text


def test_who_has_to_count_what_is_said(running: Any, changed: Any) -> None:
    stated = {"agreement": "ab" * 32, "name": "sale", "leaf": "cd" * 32, "timekeeper": "port"}
    facts = [
        {**stated, "kind": "fact", "fact_name": "sent"},
        {**stated, "kind": "confirm", "fact_name": None},
    ]
    changed(lambda value: value["waiting"].update(not_counted=facts))
    text = running(*FINCA, "status").out
    assert "for port to count our 'sent' of 'sale' (nothing to do)" in text
    assert "for port to count our confirmation of 'sale' (nothing to do)" in text


def test_how_far_outside_witnesses_cosigned_is_shown_and_what_is_wrong_with_them(
    running: Any, changed: Any
) -> None:
    good = {"name": "tower", "size": 10**6, "error": None, "action": None}
    bad = {"name": "gate", "size": 1, "error": "no answer", "action": "see its URL"}
    changed(lambda value: value.update(outside=[good, bad]))
    text = running(*FINCA, "status").out
    size = running(*FINCA, "status", "--json").value["own"]["size"]
    assert "  tower  all\n" in text
    assert f"  gate   1 of {size}\n" in text
    assert "the outside witness gate did not cosign: no answer. To do: see its URL" in text


@pytest.mark.parametrize("field", ["accused_by", "waiting", "own"])
def test_an_older_node_that_lacks_a_field_is_no_fault_of_ours(running: Any, changed: Any, field: str) -> None:
    changed(lambda value: value.pop(field))
    done = running(*FINCA, "status")
    assert done.code == 3
    assert f"no '{field}'" in done.err
    assert "older than this command" in done.err


def test_what_a_stopped_home_keeps_of_outside_witnesses_is_shown(tally: Any) -> None:
    tally.found("finca")
    shown = tally(*FINCA, "status", "--json").value
    assert (shown["outside"], shown["node"]) == ([], None)
    assert "no node runs this home" in tally(*FINCA, "status").out


def test_a_node_without_a_home_is_told_how_to_make_one(tally: Any) -> None:
    done = tally("--home", "nowhere", "serve")
    assert done.code == 3
    assert "`tally init`" in done.err
    assert "`tally restore`" in done.err
