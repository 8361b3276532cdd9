"""Bad input at every door: refused with its four texts, and nothing recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

HASH = "ab" * 32
NONCE = "80" + "00" * 15
SIGNATURE = {"key": HASH, "role": "director", "signature": "00" * 64}

FORMS: dict[str, dict[str, Any]] = {
    "/memos": {"text": "x"},
    "/agreements": {"document": "contract: 1"},
    f"/agreements/{HASH}/signatures": {
        "party": "buyer",
        "proposal": HASH,
        "nonce": NONCE,
        "signatures": [SIGNATURE],
    },
    "/facts": {"agreement": HASH, "name": "delivered"},
    "/confirmations": {"agreement": HASH, "fact": HASH, "nonce": NONCE, "signatures": [SIGNATURE]},
    "/invitations": {"organization": "bolt"},
    "/people": {"name": "bo", "key": HASH, "roles": []},
}
DOCUMENTS = ("/capture", "/events")
NOT_JSON = {
    "nothing": b"",
    "no JSON": b"{text: x}",
    "a cut text": b'{"text": "x',
    "two values": b'{"text": "x"} {}',
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"7",
    "null": b"null",
    "not UTF-8": b'{"text": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"text": "x"}',
    "a field twice": b'{"text": "x", "text": "y"}',
    "NaN": b'{"text": NaN}',
    "Infinity": b'{"text": -Infinity}',
    "a long number": b'{"text": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"text": 1e999999999}',
    "half a surrogate pair": b'{"text": "\\ud800"}',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "two mebibytes of nothing": b" " * (2 * 1024 * 1024),
    "two mebibytes of text": b'{"text": "' + b"x" * (2 * 1024 * 1024) + b'"}',
}
WRONG_TYPES = [None, True, 7, -1, 1.5, "x", [], {}, [1.5], {"a": 1.5}, 2**63, "\u0000"]


def check_refused(api: Any, answer: Any) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    error = api.refusal(answer, answer.status_code)
    assert error["expected"], error
    assert api.size() == 2


@pytest.mark.parametrize("path", [*FORMS, *DOCUMENTS])
@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_of_that_form(api: Any, path: str, name: str) -> None:
    check_refused(api, api.post(path, content=NOT_JSON[name], headers={"content-type": "application/json"}))


@pytest.mark.parametrize("path", FORMS)
def test_fields_of_wrong_types(api: Any, path: str) -> None:
    for field in FORMS[path]:
        for wrong in WRONG_TYPES:
            if type(wrong) is not type(FORMS[path][field]) or path == "/agreements":
                check_refused(api, api.post(path, json=FORMS[path] | {field: wrong}))


@pytest.mark.parametrize("path", FORMS)
def test_a_field_that_lacks_and_one_that_is_unknown(api: Any, path: str) -> None:
    for field in FORMS[path]:
        less = {key: value for key, value in FORMS[path].items() if key != field}
        check_refused(api, api.post(path, json=less))
    check_refused(api, api.post(path, json=FORMS[path] | {"surprise": 1}))


@pytest.mark.parametrize("path", [*FORMS, *DOCUMENTS])
@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data", ""])
def test_another_content_type(api: Any, path: str, media: str) -> None:
    body = json.dumps(FORMS.get(path, {})).encode()
    headers = {"content-type": media} if media else {}
    api.refusal(api.post(path, content=body, headers=headers), 415)


@pytest.mark.parametrize("path", [*FORMS, *DOCUMENTS])
def test_a_compressed_body(api: Any, path: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    api.refusal(api.post(path, content=b"\x1f\x8b", headers=headers), 415)


@pytest.mark.parametrize(
    "path",
    [
        "/entries/xyz",
        f"/entries/{'AB' * 32}",
        f"/entries/{HASH}",
        f"/receipts/{HASH}",
        "/receipts/1",
        f"/agreements/{HASH}",
        "/agreements/short",
        f"/agreements/{HASH}/explain",
        f"/capture/{HASH}",
        "/capture/1",
        "/events/urn:uuid:none",
        "/events/%00",
        "/events/%ff%fe",
        "/entries?origin=nobody/0123456789abcdef",
        "/entries?origin=%00",
        "/entries?from=-1",
        "/entries?from=99999999999999999999",
        "/entries?limit=0",
        "/entries?limit=100000",
        "/trace/back",
        "/trace/back?id=",
        "/trace/back?id=x&at=yesterday",
        "/trace/forward?id=x&at=99999-01-01T00:00:00Z",
        "/events?perPage=0",
        "/events?perPage=x",
        "/events?perPage=99999999999999999999",
        "/events?nextPageToken=x",
        "/events?GE_eventTime=x",
        "/events?EQ_unheardOf=x",
        "/events?eventType=a&eventType=b",
    ],
)
def test_bad_targets(api: Any, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code in (400, 404)
    api.refusal(answer, answer.status_code)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "EPCISDocument"},
        {"type": "EPCISDocument", "epcisBody": {"eventList": {}}},
        {"type": "ObjectEvent"},
        {"type": "ObjectEvent", "eventTime": "never", "eventTimeZoneOffset": "+00:00", "action": "OBSERVE"},
        {"type": "ObjectEvent", "eventTime": 7, "eventTimeZoneOffset": "+00:00", "action": "OBSERVE"},
        {"type": 1.5},
    ],
)
def test_what_is_no_epcis(api: Any, event: dict[str, Any]) -> None:
    for path in DOCUMENTS:
        check_refused(api, api.post(path, json=event))


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"a: 1\na: 2", b"&a [*a]", b"[" * 10_000, b"contract: 1", b"%YAML 1.1\n---\n", b"\x00"],
)
def test_what_is_no_contract(api: Any, text: bytes) -> None:
    answer = api.post("/agreements", content=text, headers={"content-type": "application/yaml"})
    check_refused(api, answer)
