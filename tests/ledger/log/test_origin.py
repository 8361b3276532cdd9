"""The names of logs and of their keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.log.origin import Origin, format_origin, format_witness_name, parse_origin

NETWORK_ID = bytes(range(32))

organizations = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")


def test_an_origin_names_organization_and_network() -> None:
    assert format_origin("acme", NETWORK_ID) == "acme/0001020304050607"


def test_later_logs_carry_their_number() -> None:
    assert format_origin("acme", NETWORK_ID, 2) == "acme/0001020304050607/2"


def test_a_witness_has_a_name_of_its_own() -> None:
    assert format_witness_name("acme", NETWORK_ID) == "acme/0001020304050607/witness"


@given(organizations, st.integers(1, 9999))
def test_an_origin_is_read_as_it_was_written(organization: str, number: int) -> None:
    text = format_origin(organization, NETWORK_ID, number)
    origin = parse_origin(text)
    assert (origin.text, origin.organization, origin.number) == (text, organization, number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "acme/",
        "/0001020304050607",
        "Acme/0001020304050607",
        "-acme/0001020304050607",
        "acme-/0001020304050607",
        "a_b/0001020304050607",
        "ácme/0001020304050607",
        "a" * 33 + "/0001020304050607",
        "acme/000102030405060",
        "acme/00010203040506070",
        "acme/000102030405060A",
        "acme/0001020304050607/",
        "acme/0001020304050607/0",
        "acme/0001020304050607/1",
        "acme/0001020304050607/02",
        "acme/0001020304050607/10000",
        "acme/0001020304050607/witness",
        "acme/0001020304050607/2/3",
        "acme/0001020304050607\n",
        "acme/0001020304050607/2\n",
        "acme/0001020304050607/٢",
    ],
)
def test_any_other_name_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_origin(text)


@pytest.mark.parametrize("number", [0, -1, 10_000])
def test_a_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(MalformedError):
        Origin(organization="acme", network="0001020304050607", number=number)


def test_a_network_id_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedError):
        format_origin("acme", NETWORK_ID[:16])
