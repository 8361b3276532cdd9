"""Ed25519: which keys are enrolled and which signatures count. The edge cases are in tests/conformance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.signature import GROUP_ORDER, check_public_key, check_signature, public_key, sign

SEED = bytes(range(32))
KEY = public_key(SEED)
SIGNATURE = sign(SEED, b"message")
IDENTITIES = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def test_the_first_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert public_key(seed).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert (
        sign(seed, b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")
    )


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_what_a_key_signs_its_public_key_verifies(seed: bytes, message: bytes) -> None:
    check_public_key(public_key(seed), "key")
    check_signature(public_key(seed), message, sign(seed, message), "signature")


@given(st.integers(0, 511))
def test_a_signature_with_any_bit_changed_is_refused(bit: int) -> None:
    changed = (int.from_bytes(SIGNATURE, "big") ^ 1 << bit).to_bytes(64, "big")
    with pytest.raises(InvalidError):
        check_signature(KEY, b"message", changed, "signature")


def test_another_message_is_refused() -> None:
    with pytest.raises(InvalidError):
        check_signature(KEY, b"messagf", SIGNATURE, "signature")


def test_another_key_is_refused() -> None:
    with pytest.raises(InvalidError):
        check_signature(public_key(bytes(32)), b"message", SIGNATURE, "signature")


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_signature_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        check_signature(KEY, b"message", bytes(length), "signature")


def test_the_same_signature_with_the_group_order_added_is_refused() -> None:
    high = int.from_bytes(SIGNATURE[32:], "little") + GROUP_ORDER
    with pytest.raises(InvalidError, match="out of range"):
        check_signature(KEY, b"message", SIGNATURE[:32] + high.to_bytes(32, "little"), "signature")


@pytest.mark.parametrize("identity", IDENTITIES)
def test_the_identity_as_r_is_refused_in_every_encoding(identity: str) -> None:
    with pytest.raises(InvalidError, match="out of range"):
        check_signature(KEY, b"message", bytes.fromhex(identity) + bytes(32), "signature")


@pytest.mark.parametrize(
    "key",
    [
        *IDENTITIES,
        "00" * 32,  # order four
        "ff" * 32,  # no point
        "02" + "00" * 31,  # not on the curve
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # zero, not canonical
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",  # order eight
    ],
)
def test_a_weak_key_is_not_enrolled(key: str) -> None:
    with pytest.raises(InvalidError):
        check_public_key(bytes.fromhex(key), "key")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        check_public_key(bytes(length), "key")
    with pytest.raises(MalformedError):
        check_signature(bytes(length), b"message", SIGNATURE, "signature")


def test_a_seed_of_another_length_is_malformed() -> None:
    with pytest.raises(TallyError):
        sign(bytes(31), b"message")
