"""Who may ask, and that every refusal has the same form."""

from __future__ import annotations

from typing import Any

import pytest

READS = (
    "/status",
    "/entries",
    "/agreements",
    "/due",
    "/members",
    "/events",
    "/trace/back?id=x",
    f"/entries/{'0' * 64}",
    f"/receipts/{'0' * 64}",
    "/metrics",
    "/nothing-here",
)
WRITES = (
    "/memos",
    "/capture",
    "/events",
    "/agreements",
    "/facts",
    "/confirmations",
    "/invitations",
    "/people",
)


@pytest.mark.parametrize("path", READS)
def test_reads_need_the_token(api: Any, path: str) -> None:
    answer = api.get(path, anonymous=True)
    api.refusal(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", WRITES)
def test_writes_need_the_token(api: Any, path: str) -> None:
    api.refusal(api.post(path, anonymous=True, json={"text": "x"}), 401)
    assert api.size() == 2


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic {token}", "{token}", "Bearer {token}x"])
def test_another_token_is_refused(api: Any, header: str) -> None:
    headers = {"authorization": header.format(token=api.token)}
    api.refusal(api.post("/memos", json={"text": "x"}, headers=headers), 401)


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json"])
def test_some_paths_are_open(api: Any, path: str) -> None:
    assert api.get(path, anonymous=True).status_code == 200


def test_an_unknown_path_is_a_refusal_like_any_other(api: Any) -> None:
    assert api.refusal(api.get("/nothing-here"), 404)["code"] == "missing"


def test_another_method_is_a_refusal_that_names_the_right_one(api: Any) -> None:
    answer = api.request("DELETE", "/memos")
    assert api.refusal(answer, 405)["expected"] == "POST"
    assert answer.headers["allow"] == "POST"


def test_a_parameter_that_does_not_fit_is_a_refusal(api: Any) -> None:
    error = api.refusal(api.get("/entries?limit=many"), 400)
    assert "limit" in error["where"]


def test_the_docs_page_loads_nothing_from_elsewhere(api: Any) -> None:
    page = api.get("/docs", anonymous=True)
    assert "src=" not in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, 401),
        ("203.0.113.9", {}, 401),
    ],
)
def test_figures_are_open_to_this_machine_and_not_through_a_proxy(
    api: Any, client: str, headers: dict[str, str], status: int
) -> None:
    assert api.get_from(client, "/metrics", headers).status_code == status
