"""The API against its own description: whatever is sent, no fault of ours, and only documented answers."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from node.api.app import create_app
from node.home import read_token

PATHS = [
    ("/memos", "POST"),
    ("/capture", "POST"),
    ("/capture/{capture_id}", "GET"),
    ("/events", "POST"),
    ("/events", "GET"),
    ("/events/{event_id}", "GET"),
    ("/agreements", "GET"),
    ("/agreements", "POST"),
    ("/agreements/{agreement}", "GET"),
    ("/agreements/{agreement}/explain", "GET"),
    ("/agreements/{agreement}/signatures", "POST"),
    ("/agreements/{agreement}/withdrawals", "POST"),
    ("/agreements/{agreement}/declines", "POST"),
    ("/agreements/{agreement}/terminations", "POST"),
    ("/agreements/{agreement}/corrections", "POST"),
    ("/agreements/{agreement}/timekeepers", "POST"),
    ("/due", "GET"),
    ("/obligations", "GET"),
    ("/facts", "POST"),
    ("/confirmations", "POST"),
    ("/members", "GET"),
    ("/invitations", "POST"),
    ("/people", "POST"),
    ("/people/{key}/revocation", "POST"),
    ("/entries", "GET"),
    ("/entries/{leaf}", "GET"),
    ("/receipts/{leaf}", "GET"),
    ("/trace/back", "GET"),
    ("/trace/forward", "GET"),
    ("/health", "GET"),
    ("/status", "GET"),
    ("/metrics", "GET"),
]


def test_every_path_is_described_and_tried(node: Any) -> None:
    described = create_app(node).openapi()["paths"]
    assert sorted((path, method.upper()) for path in described for method in described[path]) == sorted(PATHS)


def test_the_description_names_every_form(node: Any) -> None:
    schema = create_app(node).openapi()
    text = str(schema)
    for name in schema["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize(("path", "method"), PATHS)
def test_whatever_is_sent_gets_a_documented_answer(api: Any, path: str, method: str, mode: str) -> None:
    schema = schemathesis.openapi.from_dict(api.app.openapi())
    operation = schema[path][method]
    cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: Any) -> None:
        case = data.draw(cases)
        before = api.size()
        sent = case.as_transport_kwargs(base_url="http://node.test")
        answer = api.request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers=_sendable(sent.get("headers")),
            json=sent.get("json"),
            content=sent.get("data"),
        )
        documented = operation.definition.raw["responses"]
        assert str(answer.status_code) in documented or answer.status_code == 404, answer.text
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if answer.status_code >= 400:
            api.refusal(answer, answer.status_code)
            assert api.size() == before

    # Where every text is a good parameter, nothing can be got wrong.
    with contextlib.suppress(Unsatisfiable):
        check()


def _sendable(headers: Any) -> dict[str, Any]:
    return {
        str(name): str(value).encode("latin-1", "replace")
        for name, value in (headers or {}).items()
        if name.lower() not in ("authorization", "content-length", "user-agent")
    }


def test_the_token_is_what_a_client_sends(api: Any) -> None:
    scheme = api.app.openapi()["components"]["securitySchemes"]["operator"]
    assert scheme == {"type": "http", "scheme": "bearer"}
    assert read_token(api.node.home) == api.token
