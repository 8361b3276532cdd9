"""Health, status and figures."""

from __future__ import annotations

from typing import Any

from node.views.status import show_status


def test_health_is_good_while_the_node_can_work(api: Any) -> None:
    assert api.get("/health", anonymous=True).json()["status"] == "ok"


def test_health_is_bad_once_the_writer_has_ended(api: Any) -> None:
    api.node.writer.stop()
    assert api.refusal(api.get("/health", anonymous=True), 503)["where"] == "writer"


def test_the_status_shows_the_own_head_and_what_waits(api: Any) -> None:
    shown = api.get("/status").json()
    own = shown["own"]
    assert (own["size"], own["root"]) == (2, api.node.state.own.copy.root.hex())
    lists = ("signatures", "confirmations", "wishes", "not_counted", "disputed")
    assert shown["waiting"] == {name: [] for name in lists} | {"total": dict.fromkeys(lists, 0)}
    assert (shown["partners"], shown["outside"]) == ([], [])


def test_the_status_shows_who_holds_the_own_log(network: Any) -> None:
    network.share()
    node = network["acme"].node
    own = show_status(node.reader, node.state, node.book)["own"]
    assert set(own["cosigned"]) == {"bolt", "port"}
    assert own["witnessed_size"] == own["size"]


def test_answers_are_counted_by_the_template_of_their_path(api: Any) -> None:
    api.get(f"/entries/{'ab' * 32}")
    api.get("/made-up-path")
    text = api.get("/metrics").text
    assert 'tallystick_requests_total{route="/entries/{leaf}",status="404"} 1.0' in text
    assert "made-up-path" not in text
