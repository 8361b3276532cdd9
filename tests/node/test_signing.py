"""Request signatures: what is accepted, and everything that is not."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ForbiddenError
from ledger.log.signature import public_key, sign
from node.signing import COMPONENTS, MAX_VALIDITY_S, check_request, content_digest, sign_request

SEED = bytes(range(32))
SENDER = "acme/0123456789abcdef"
RECIPIENT = "bolt/0123456789abcdef"
NOW_S = 1_790_000_000
BODY = b"\x81\xa4from\x00"


def signed(**changes: Any) -> dict[str, str]:
    request: dict[str, Any] = {
        "seed": SEED,
        "sender": SENDER,
        "recipient": RECIPIENT,
        "method": "POST",
        "path": "/sync/v1/push",
        "query": "",
        "body": BODY,
        "now_s": NOW_S,
    }
    return sign_request(**(request | changes))


def key_of(origin: str) -> bytes | None:
    return public_key(SEED) if origin == SENDER else None


def check(headers: Any, **changes: Any) -> str:
    request: dict[str, Any] = {
        "method": "POST",
        "path": "/sync/v1/push",
        "query": "",
        "body": BODY,
        "recipient": RECIPIENT,
        "key_of": key_of,
        "now_s": NOW_S,
        "max_skew_s": 300,
    }
    items = headers.items() if isinstance(headers, dict) else headers
    return check_request(headers=items, **(request | changes))


def handmade(
    *,
    label: str = "tallystick",
    components: str | None = None,
    parameters: str | None = None,
    seed: bytes = SEED,
) -> dict[str, str]:
    """A request signed without the library, so that any shape can be signed well."""
    values = {
        '"@method"': "POST",
        '"@path"': "/sync/v1/push",
        '"@query"': "?",
        '"content-digest"': content_digest(BODY),
        '"tallystick-recipient"': RECIPIENT,
        '"@authority"': "node.invalid",
    }
    names = components if components is not None else " ".join(f'"{name}"' for name in COMPONENTS)
    params = f"({names})" + (parameters if parameters is not None else parameters_of())
    base = "".join(f"{name}: {values[name]}\n" for name in names.split()) + f'"@signature-params": {params}'
    signature = base64.b64encode(sign(seed, base.encode())).decode()
    return {
        "Content-Digest": content_digest(BODY),
        "Tallystick-Recipient": RECIPIENT,
        "Signature-Input": f"{label}={params}",
        "Signature": f"{label}=:{signature}:",
    }


def parameters_of(**changes: str) -> str:
    values = {
        "created": str(NOW_S),
        "keyid": f'"{SENDER}"',
        "alg": '"ed25519"',
        "expires": str(NOW_S + 60),
        "tag": '"tallystick-sync-v1"',
    } | changes
    return "".join(f";{name}={value}" for name, value in values.items() if value)


def test_a_signed_request_names_its_sender() -> None:
    assert check(signed()) == SENDER


def test_a_refusal_says_where() -> None:
    with pytest.raises(ForbiddenError) as caught:
        check({})
    assert caught.value.where == "POST /sync/v1/push"


def test_a_request_signed_without_the_library_is_accepted() -> None:
    assert check(handmade()) == SENDER
    assert handmade()["Signature"] == signed()["signature"]


def test_components_and_parameters_may_stand_in_any_order() -> None:
    components = '"tallystick-recipient" "@query" "content-digest" "@path" "@method"'
    parameters = (
        f';tag="tallystick-sync-v1";expires={NOW_S + 9};alg="ed25519";keyid="{SENDER}";created={NOW_S}'
    )
    assert check(handmade(components=components, parameters=parameters)) == SENDER


@pytest.mark.parametrize("query", ["", "a=1&b=%20", "a=b=c", "?"])
@pytest.mark.parametrize("path", ["/", "/sync/v1/push", "/log/x001/067", "//double", "/%C3%A4"])
@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
def test_any_target_and_body_can_be_signed(path: str, query: str, body: bytes) -> None:
    headers = signed(path=path, query=query, body=body, method="PUT")
    assert check(headers, path=path, query=query, body=body, method="PUT") == SENDER


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"method": "GET"}, "verify"),
        ({"path": "/sync/v1/pull"}, "verify"),
        ({"path": "/sync/v1/push/"}, "verify"),
        ({"query": "a=1"}, "verify"),
        ({"body": BODY + b"\0"}, "another body"),
        ({"body": b""}, "another body"),
        ({"recipient": "dart/0123456789abcdef"}, "a request for"),
        ({"key_of": lambda origin: None}, "unknown sender"),
        ({"key_of": lambda origin: public_key(bytes(32))}, "verify"),
        ({"now_s": NOW_S + MAX_VALIDITY_S + 301}, "expired"),
        ({"now_s": NOW_S - 301}, "in the future"),
        ({"path": "@evil"}, "two ways"),
        ({"path": "/sync/v1/push?a"}, "two ways"),
        ({"path": "/sync/v1/push#a"}, "two ways"),
        ({"path": "/sync/v1/pu sh"}, "two ways"),
        ({"path": "/sync/v1/push\n"}, "two ways"),
        ({"path": ""}, "two ways"),
        ({"path": "/ä"}, "two ways"),
        ({"path": "/%zz"}, "Invalid URL"),
        ({"query": "#a"}, "two ways"),
        ({"query": "a b"}, "two ways"),
    ],
)
def test_a_request_that_differs_is_refused(change: dict[str, Any], found: str) -> None:
    with pytest.raises(ForbiddenError, match=found) as caught:
        check(signed(), **change)
    assert caught.value.expected
    assert caught.value.action


@pytest.mark.parametrize("shift_s", [-300, 0, MAX_VALIDITY_S + 300])
def test_clocks_may_differ_by_the_skew(shift_s: int) -> None:
    assert check(signed(), now_s=NOW_S + shift_s) == SENDER


@pytest.mark.parametrize("name", ["content-digest", "tallystick-recipient", "signature-input", "signature"])
def test_every_header_must_stand_there_once_and_be_short(name: str) -> None:
    headers = signed()
    with pytest.raises(ForbiddenError, match=f"no {name}"):
        check([item for item in headers.items() if item[0] != name])
    with pytest.raises(ForbiddenError, match=f"{name} twice"):
        check([*headers.items(), (name.title(), headers[name])])
    with pytest.raises(ForbiddenError, match="characters"):
        check(headers | {name: headers[name] + " " * 600})


@pytest.mark.parametrize("missing", COMPONENTS)
def test_every_component_must_be_covered(missing: str) -> None:
    rest = " ".join(f'"{name}"' for name in COMPONENTS if name != missing)
    with pytest.raises(ForbiddenError, match="covered components"):
        check(handmade(components=rest))


def test_no_other_component_may_be_covered() -> None:
    names = " ".join(f'"{name}"' for name in (*COMPONENTS, "@authority"))
    with pytest.raises(ForbiddenError, match="covered components"):
        check(handmade(components=names))
    with pytest.raises(ForbiddenError, match="covered components"):
        check(handmade(components=""))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"alg": '"hmac-sha256"'}, "alg"),
        ({"alg": ""}, "parameters"),
        ({"tag": '"tallystick-sync-v2"'}, "tag"),
        ({"tag": ""}, "parameters"),
        ({"keyid": ""}, "parameters"),
        ({"keyid": '"dart/0123456789abcdef"'}, "unknown sender"),
        ({"keyid": "12"}, "keyid"),
        ({"created": ""}, "parameters"),
        ({"created": '"now"'}, "created"),
        ({"created": f"{NOW_S}.5"}, "created"),
        ({"created": "999999999999999"}, "valid for"),
        ({"expires": ""}, "parameters"),
        ({"expires": str(NOW_S + 61)}, "valid for 61 s"),
        ({"expires": str(NOW_S)}, "valid for 0 s"),
        ({"expires": str(NOW_S - 1)}, "valid for -1 s"),
        ({"nonce": '"a"'}, "parameters"),
    ],
)
def test_other_parameters_are_refused_though_signed_well(changes: dict[str, str], found: str) -> None:
    with pytest.raises(ForbiddenError, match=found):
        check(handmade(parameters=parameters_of(**changes)))


def test_another_label_is_refused() -> None:
    with pytest.raises(ForbiddenError):
        check(handmade(label="sig1"))


def test_a_second_signature_is_refused() -> None:
    one, two = handmade(), handmade(label="other")
    both = one | {name: f"{one[name]}, {two[name]}" for name in ("Signature", "Signature-Input")}
    with pytest.raises(ForbiddenError):
        check(both)
    with pytest.raises(ForbiddenError):
        check(one | {"Signature-Input": both["Signature-Input"]})
    twice = {name: f"{one[name]}, {one[name]}" for name in ("Signature", "Signature-Input")}
    with pytest.raises(ForbiddenError):
        check(one | twice)


def test_a_signature_out_of_range_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    headers = signed()
    raw = base64.b64decode(headers["signature"].removeprefix("tallystick=:").removesuffix(":"))
    raised = (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    forged = base64.b64encode(raw[:32] + raised).decode()
    with pytest.raises(ForbiddenError, match="out of range"):
        check(headers | {"signature": f"tallystick=:{forged}:"})


@settings(max_examples=500, deadline=None)
@given(
    name=st.sampled_from(["content-digest", "tallystick-recipient", "signature-input", "signature"]),
    where=st.integers(0, 1000),
    character=st.characters(max_codepoint=255),
)
def test_every_changed_byte_is_refused(name: str, where: int, character: str) -> None:
    headers = signed()
    value = headers[name]
    position = where % len(value)
    if value[position] == character:
        return
    with pytest.raises(ForbiddenError):
        check(headers | {name: value[:position] + character + value[position + 1 :]})


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["content-digest", "signature-input", "signature"]),
    value=st.text(max_size=300) | st.text(alphabet='tallystick=();"@:?,0123456789 ', max_size=200),
)
def test_any_other_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(ForbiddenError):
        check(signed() | {name: value})


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, private: Any) -> None:
        self.private = private

    def resolve_public_key(self, key_id: str) -> Any:
        return self.private.public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return self.private


class _Request:
    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers


def test_the_library_with_its_own_ed25519_accepts_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPMessageVerifier, "validate_created_and_expires", lambda *_, **__: None)
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.ED25519,
        key_resolver=_Keys(Ed25519PrivateKey.from_private_bytes(SEED)),
    )
    request = _Request("POST", "https://bolt.example/sync/v1/push", signed())
    results = verifier.verify(request, expect_tag="tallystick-sync-v1", body=BODY, max_age=None)
    assert results[0].parameters["keyid"] == SENDER


def test_the_library_makes_the_signature_of_rfc_9421_b_2_6() -> None:
    """The example "Signing a Request Using ed25519": our use of the library reaches the RFC's bytes."""
    key = load_pem_private_key(
        b"-----BEGIN PRIVATE KEY-----\n"
        b"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
        b"-----END PRIVATE KEY-----\n",
        None,
    )
    assert isinstance(key, Ed25519PrivateKey)
    headers = {
        "Host": "example.com",
        "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "Content-Type": "application/json",
        "Content-Length": "18",
    }
    base = (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n"@path": /foo\n"@authority": example.com\n'
        '"content-type": application/json\n"content-length": 18\n'
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    assert base64.b64encode(sign(key.private_bytes_raw(), base.encode())).decode() == expected
    headers["Signature-Input"] = "sig-b26=" + base.rsplit(": ", 1)[1]
    headers["Signature"] = f"sig-b26=:{expected}:"
    request = _Request("POST", "https://example.com/foo?param=Value&Pet=dog", headers)
    resolver: Callable[..., Any] = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519, key_resolver=_Keys(key)
    )._build_signature_base
    parsed = HTTPMessageSigner._parse_signature_dictionary(headers["Signature-Input"])["sig-b26"]
    built, _, _ = resolver(request, covered_component_ids=list(parsed), signature_params=parsed.params)
    assert built == base
