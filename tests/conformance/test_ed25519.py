"""Every Ed25519 edge case at hand, with a second library as the second opinion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import TallyError
from ledger.log.signature import check_public_key, check_signature


def accepts(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        check_public_key(key, "key")
        check_signature(key, message, signature, "signature")
    except TallyError:
        return False
    return True


def other_accepts(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def enrolled(key: bytes) -> bool:
    try:
        check_public_key(key, "key")
    except TallyError:
        return False
    return True


def cctv(conformance: Path) -> list[tuple[bytes, bytes, bytes, list[str]]]:
    cases: list[dict[str, Any]] = json.loads((conformance / "ed25519" / "cctv_ed25519.json").read_text())
    return [
        (bytes.fromhex(c["key"]), c["msg"].encode(), bytes.fromhex(c["sig"]), c["flags"] or []) for c in cases
    ]


def test_every_wycheproof_case_gets_its_verdict(conformance: Path) -> None:
    groups = json.loads((conformance / "ed25519" / "wycheproof_ed25519.json").read_text())["testGroups"]
    cases = [(group["publicKey"]["pk"], case) for group in groups for case in group["tests"]]
    wrong = [
        case["tcId"]
        for key, case in cases
        if accepts(bytes.fromhex(key), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        != (case["result"] == "valid")
    ]
    assert not wrong
    assert len(cases) == 151


def test_every_cctv_signature_with_a_flaw_is_refused_and_no_other(conformance: Path) -> None:
    cases = cctv(conformance)
    assert [c for c in cases if accepts(*c[:3]) != (not c[3])] == []
    assert len(cases) == 914


def test_two_libraries_agree_on_every_cctv_case_after_our_checks(conformance: Path) -> None:
    for key, message, signature, _ in cctv(conformance):
        ours = accepts(key, message, signature)
        in_range = enrolled(key) and _in_range(key, message, signature)
        assert ours == (in_range and other_accepts(key, message, signature))


def test_two_libraries_alone_do_not_agree(conformance: Path) -> None:
    assert any(
        other_accepts(key, message, signature) != accepts(key, message, signature)
        for key, message, signature, _ in cctv(conformance)
    )


def _in_range(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        check_signature(key, message, signature, "signature")
    except TallyError as error:
        return error.found != "signature out of range"
    return True
