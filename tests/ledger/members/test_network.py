"""Founding, network id and words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.log.encoding import decode, encode
from ledger.members.network import (
    Founding,
    Policy,
    format_founding,
    network_id,
    network_words,
    parse_founding,
)


def test_a_founding_reads_back_as_written(founding: Founding) -> None:
    assert parse_founding(format_founding(founding)) == founding


def test_named_witnesses_read_back_as_written(founding: Founding) -> None:
    named = replace(founding, policy=Policy(tiles="members", witnesses=("bolt", "dart")))
    assert parse_founding(format_founding(named)) == named


def test_another_nonce_is_another_network(founding: Founding) -> None:
    other = replace(founding, nonce=bytes(16))
    assert network_id(format_founding(other)) != network_id(format_founding(founding))


def test_every_flipped_byte_is_refused_or_is_another_network(founding: Founding) -> None:
    data = format_founding(founding)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1
        try:
            parse_founding(bytes(flipped))
        except TallyError:
            continue
        assert network_id(bytes(flipped)) != network_id(data)


@pytest.mark.parametrize("key", ["created", "founder", "name", "nonce", "policy", "v"])
def test_a_founding_without_a_field_is_refused(founding: Founding, key: str) -> None:
    value = decode(format_founding(founding))
    assert isinstance(value, dict)
    del value[key]
    with pytest.raises(MalformedError, match="founding"):
        parse_founding(encode(value))


def test_a_founder_with_a_key_that_may_not_be_enrolled_founds_no_network(founding: Founding) -> None:
    for name in ("log", "node", "witness"):
        bad = replace(founding, keys=replace(founding.keys, **{name: b"\x01" + bytes(31)}))
        with pytest.raises(InvalidError, match=f"{name} key"):
            format_founding(bad)


def test_a_founding_of_a_later_version_says_what_to_do(founding: Founding) -> None:
    value = decode(format_founding(founding))
    assert isinstance(value, dict)
    with pytest.raises(MalformedError) as caught:
        parse_founding(encode({**value, "v": 2}))
    assert "newer version" in caught.value.action


def test_words_are_four_proquints() -> None:
    # The example of the proquint specification: 127.0.0.1 is lusab-babad.
    assert network_words(bytes([127, 0, 0, 1, 63, 84, 220, 193])) == "lusab-babad-gutih-tugad"


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_words_tell_networks_apart_by_their_first_eight_bytes(one: bytes, other: bytes) -> None:
    assert (network_words(one) == network_words(other)) == (one[:8] == other[:8])


@given(st.binary(min_size=32, max_size=32))
def test_words_can_be_read_aloud(identity: bytes) -> None:
    assert re.fullmatch(
        r"([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]-?){4}", network_words(identity)
    )
