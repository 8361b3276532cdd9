"""Signatures on requests between members: RFC 9421 in one fixed shape (docs/format.md, section 8).

    content-digest: sha-256=:<base64>:
    tallystick-recipient: <origin>
    signature-input: tallystick=("@method" "@path" "@query" "content-digest" "tallystick-recipient")
        ;created=<s>;keyid="<origin>";alg="ed25519";expires=<s>;tag="tallystick-sync-v1"
    signature: tallystick=:<base64 of 64 bytes>:

Exactly these components without parameters, exactly these parameters (both in any order), exactly one
signature on the request. `path` is the path as it stands on the wire, `query` what follows its `?`.

`check_request` goes from cheap to dear, so that a stranger costs little: sizes and presence, recipient,
form, times, sender, signature, and last the body's digest. What it does not do: remember requests. They
are idempotent, and a replay within their minute gains nothing.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from ledger.errors import ForbiddenError, TallyError, short
from ledger.log.signature import check_signature, sign

LABEL = "tallystick"
TAG = "tallystick-sync-v1"
ALGORITHM = "ed25519"
RECIPIENT_HEADER = "tallystick-recipient"
MAX_VALIDITY_S = 60
MAX_HEADER_CHARS = 512
COMPONENTS = ("@method", "@path", "@query", "content-digest", RECIPIENT_HEADER)
PARAMETERS = frozenset({"created", "keyid", "alg", "expires", "tag"})

KeyOf = Callable[[str], bytes | None]
"""The node key of the member that writes this origin; None for strangers."""

_HEADERS = ("content-digest", RECIPIENT_HEADER, "signature-input", "signature")
# 64 bytes are 86 digits of base64, the last of which carries two bits only.
_SIGNATURE = re.compile(rf"{LABEL}=:[A-Za-z0-9+/]{{85}}[AQgw]==:")
_PATH = re.compile(r'/[!"$->@-~]*')  # no space, # or ?
_QUERY = re.compile(r'[!"$-~]*')
_RESEND = "Send the request again; if that fails too, compare the versions of both nodes."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A request as the library wants to see it. Scheme and host are not covered: a proxy changes them."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """What one request must fulfil besides a valid signature."""

    where: str
    key_of: KeyOf
    now_s: int
    max_skew_s: int


def sign_request(
    *, seed: bytes, sender: str, recipient: str, method: str, path: str, query: str, body: bytes, now_s: int
) -> dict[str, str]:
    """The headers that a request needs besides its own; valid from now for a minute."""
    _check_target(path, query, _where(method, path))
    digest = content_digest(body)
    # Put together here: the library takes four times as long as the signature itself.
    names = " ".join(f'"{name}"' for name in COMPONENTS)
    parameters = (
        f'({names});created={now_s};keyid="{sender}";alg="{ALGORITHM}"'
        f';expires={now_s + MAX_VALIDITY_S};tag="{TAG}"'
    )
    values = (method, path, f"?{query}", digest, recipient)
    lines = [f'"{name}": {value}' for name, value in zip(COMPONENTS, values, strict=True)]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(sign(seed, base.encode("ascii"))).decode()
    return {
        "content-digest": digest,
        RECIPIENT_HEADER: recipient,
        "signature-input": f"{LABEL}={parameters}",
        "signature": f"{LABEL}=:{signature}:",
    }


def check_request(
    *,
    headers: Iterable[tuple[str, str]],
    method: str,
    path: str,
    query: str,
    body: bytes,
    recipient: str,
    key_of: KeyOf,
    now_s: int,
    max_skew_s: int,
) -> str:
    """The origin of the member that made this request for `recipient`, or a refusal."""
    where = _where(method, path)
    fields = _fields(headers, where)
    if fields[RECIPIENT_HEADER] != recipient:
        raise _refusal(
            where,
            found=f"a request for {short(fields[RECIPIENT_HEADER])}",
            expected=f"one for {recipient}",
            action="Check the address that you have for this member.",
        )
    if not _SIGNATURE.fullmatch(fields["signature"]):
        raise _refusal(where, found="another signature header", expected=f"{LABEL}=:<base64 of 64 bytes>:")
    _check_target(path, query, where)
    message = _Message(method=method, url=_url(path, query), headers=fields)
    policy = _Policy(where=where, key_of=key_of, now_s=now_s, max_skew_s=max_skew_s)
    verifier = _Verifier(policy)
    try:
        results = verifier.verify(message, max_age=None)
    except HTTPMessageSignaturesException as error:
        raise _refusal(where, found=_reason(error), expected="a valid request signature") from error
    if [result.label for result in results] != [LABEL]:
        raise _refusal(where, found="another label", expected=f"one signature labelled {LABEL}")
    if fields["content-digest"] != content_digest(body):
        raise _refusal(where, found="another body than was signed", expected=fields["content-digest"])
    return str(results[0].parameters["keyid"])


def content_digest(body: bytes) -> str:
    """The `content-digest` header of a body (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class _Ed25519(HTTPSignatureAlgorithm):
    """Ed25519 by the ledger's rules, which are narrower than the library's own; for checking only."""

    algorithm_id = ALGORITHM

    def __init__(self, public_key: bytes) -> None:
        self._public = public_key

    def verify(self, signature: bytes, message: bytes) -> None:
        check_signature(self._public, message, signature, "request signature")


class _OneKey(HTTPSignatureKeyResolver):
    """Holds the sender's key once it is known."""

    key: bytes | None = None

    def resolve_public_key(self, key_id: str) -> bytes | None:
        return self.key


class _Verifier(HTTPMessageVerifier):
    """The library's verifier with our policy where it would ask the clock.

    The library calls `validate_created_and_expires` on the parsed signature input before it looks for the
    key: the one place to refuse shape, times and strangers before any costly work.
    """

    def __init__(self, policy: _Policy) -> None:
        self._keys = _OneKey()
        super().__init__(signature_algorithm=_Ed25519, key_resolver=self._keys)
        self._policy = policy

    def validate_created_and_expires(self, sig_input: Any, max_age: datetime.timedelta | None = None) -> None:
        policy = self._policy
        components = [component.value for component in sig_input]
        if any(component.params for component in sig_input) or sorted(map(str, components)) != sorted(
            COMPONENTS
        ):
            raise _refusal(
                policy.where,
                found=f"covered components {short(' '.join(map(str, components)), 120)}",
                expected=" ".join(COMPONENTS),
            )
        parameters = sig_input.params
        if set(parameters) != PARAMETERS:
            raise _refusal(
                policy.where,
                found=f"parameters {short(' '.join(sorted(parameters)), 120)}",
                expected=" ".join(sorted(PARAMETERS)),
            )
        for name, expected in (("alg", ALGORITHM), ("tag", TAG)):
            if parameters[name] != expected:
                raise _refusal(policy.where, found=f"{name} {short(parameters[name])}", expected=expected)
        _check_times(policy, parameters["created"], parameters["expires"])
        self._keys.key = policy.key_of(parameters["keyid"])
        if self._keys.key is None:
            raise _refusal(
                policy.where,
                found=f"unknown sender {short(parameters['keyid'])}",
                expected="a member of this network",
                action="If it was admitted lately, let this node sync first.",
            )


def _check_times(policy: _Policy, created: int, expires: int) -> None:
    if not 0 < expires - created <= MAX_VALIDITY_S:
        raise _refusal(
            policy.where, found=f"valid for {expires - created} s", expected=f"1 to {MAX_VALIDITY_S} s"
        )
    clocks = "Set the clocks of both machines, best by NTP."
    if created > policy.now_s + policy.max_skew_s:
        raise _refusal(
            policy.where,
            found=f"created {created - policy.now_s} s in the future",
            expected=f"at most {policy.max_skew_s} s",
            action=clocks,
        )
    if expires < policy.now_s - policy.max_skew_s:
        raise _refusal(
            policy.where,
            found=f"expired {policy.now_s - expires} s ago",
            expected=f"at most {policy.max_skew_s} s",
            action=clocks,
        )


def _fields(headers: Iterable[tuple[str, str]], where: str) -> dict[str, str]:
    """The headers that matter, each once and short."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if key not in _HEADERS:
            continue
        if key in fields:
            raise _refusal(where, found=f"{key} twice", expected="one")
        if len(value) > MAX_HEADER_CHARS:
            raise _refusal(
                where, found=f"{key} of {len(value)} characters", expected=f"at most {MAX_HEADER_CHARS}"
            )
        fields[key] = value
    for key in _HEADERS:
        if key not in fields:
            raise _refusal(
                where,
                found=f"no {key}",
                expected="a request signed by a member's node",
                action="Only nodes of members may ask here.",
            )
    return fields


def _refusal(where: str, *, found: str, expected: str, action: str = _RESEND) -> ForbiddenError:
    return ForbiddenError(where, found=found, expected=expected, action=action)


def _reason(error: HTTPMessageSignaturesException) -> str:
    """What the library, or our own check below it, says in one phrase."""
    cause = error.__cause__
    return cause.found if isinstance(cause, TallyError) else short(str(error), 120)


def _check_target(path: str, query: str, where: str) -> None:
    """Whether path and query are what every reader of the address takes for them."""
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        raise _refusal(
            where,
            found="a path or query that reads in two ways",
            expected="/path and query in printable ASCII, percent-encoded",
        )


def _where(method: str, path: str) -> str:
    return f"{short(method, 16)[1:-1]} {short(path)[1:-1]}"


def _url(path: str, query: str) -> str:
    return f"https://node.invalid{path}?{query}" if query else f"https://node.invalid{path}"
