"""Identifiers: one canonical form for URN and Digital Link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.trace.identifiers import (
    ROOT,
    canonical,
    check_digit,
    is_only_product,
    lot_of,
    lot_of_product,
)

# URN, Digital Link path. The examples follow the EPC Tag Data Standard.
PAIRS = [
    ("urn:epc:id:sgtin:4012345.011111.9876", "01/04012345111118/21/9876"),
    ("urn:epc:id:sgtin:0614141.112345.400", "01/10614141123459/21/400"),
    (
        "urn:epc:id:upui:1234567.089456.51qIgY)%3C%26Jp3*j7SDB",
        "01/01234567894560/235/51qIgY%29%3C%26Jp3%2Aj7SDB",
    ),
    ("urn:epc:class:lgtin:4012345.012345.998877", "01/04012345123456/10/998877"),
    ("urn:epc:id:sscc:4012345.1112223334", "00/140123451122233341"),
    ("urn:epc:id:sgln:4012345.00011.0", "414/4012345000115"),
    ("urn:epc:id:sgln:4012345.00011.987", "414/4012345000115/254/987"),
    ("urn:epc:id:sgln:401234512345..5", "414/4012345123456/254/5"),
    ("urn:epc:id:pgln:4012345.00000", "417/4012345000009"),
    ("urn:epc:id:grai:4012345.55555.987", "8003/04012345555554987"),
    ("urn:epc:id:giai:4000001.111", "8004/4000001111"),
    ("urn:epc:id:gsrn:0614141.1234567890", "8018/061414112345678902"),
    ("urn:epc:id:gsrnp:0614141.1234567890", "8017/061414112345678902"),
    ("urn:epc:id:gdti:4012345.11111.123", "253/4012345111118123"),
    ("urn:epc:id:cpi:0614141.5PQ7%2FZ43.12345", "8010/06141415PQ7%2FZ43/8011/12345"),
    ("urn:epc:id:sgcn:4012345.67890.04711", "255/401234567890104711"),
    ("urn:epc:id:ginc:0614141.xyz47%2F11", "401/0614141xyz47%2F11"),
    ("urn:epc:id:gsin:0614141.123456789", "402/06141411234567890"),
    ("urn:epc:id:itip:4012345.012345.01.02.987", "8006/040123451234560102/21/987"),
    ("urn:epc:idpat:sgtin:4012345.012345.*", "01/04012345123456"),
    ("urn:epc:idpat:grai:4012345.55555.*", "8003/04012345555554"),
    ("urn:epc:idpat:gdti:4012345.11111.*", "253/4012345111118"),
    ("urn:epc:idpat:sgcn:4012345.67890.*", "255/4012345678901"),
    ("urn:epc:idpat:itip:4012345.012345.01.02.*", "8006/040123451234560102"),
    ("urn:epc:idpat:cpi:0614141.5PQ7.*", "8010/06141415PQ7"),
    ("urn:epc:idpat:upui:1234567.089456.*", "01/01234567894560"),
]
serials = st.text(alphabet="abcXYZ0189!\"%&'()*+,-./:;<=>?_", min_size=1, max_size=20)


@pytest.mark.parametrize(("urn", "path"), PAIRS)
def test_urn_and_link_of_one_thing_are_equal(urn: str, path: str) -> None:
    assert canonical(urn) == ROOT + path
    assert canonical(f"https://example.com/some/where/{path}?exp=1#x") == ROOT + path
    assert canonical(f"http://id.gs1.de/{path}/") == ROOT + path


@pytest.mark.parametrize(("urn", "path"), PAIRS)
def test_the_canonical_form_is_its_own(urn: str, path: str) -> None:
    assert canonical(canonical(urn)) == canonical(urn)


@given(serials)
def test_every_serial_is_encoded_in_one_way(serial: str) -> None:
    lower = "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in serial)
    upper = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in serial)
    one = canonical(f"urn:epc:id:sgtin:4012345.011111.{lower}")
    assert one == canonical(f"https://x.example/gtin/04012345111118/ser/{upper}") == canonical(one)
    assert one.startswith(ROOT + "01/04012345111118/21/")


@given(st.text(max_size=60))
def test_any_text_has_a_canonical_form(text: str) -> None:
    for name in (text, "urn:epc:" + text, "urn:epc:id:sgtin:" + text, "https://x/01/" + text):
        assert canonical(canonical(name)) == canonical(name)


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://example.com/gtin/04012345111118/lot/A/ser/7", "01/04012345111118/21/7"),
        ("https://example.com/01/04012345111118/22/V/10/A", "01/04012345111118/10/A"),
        ("https://example.com/01/04012345111118/22/V", "01/04012345111118"),
        ("https://example.com/01/4012345111118/10/A", "01/04012345111118/10/A"),
        ("https://example.com/01/012345678905", "01/00012345678905"),
        ("https://example.com/01/12345670", "01/00000012345670"),
        ("https://id.gs1.de/00/040123451111111119", "00/040123451111111119"),
    ],
)
def test_links_lose_what_is_no_identifier(link: str, path: str) -> None:
    assert canonical(link) == ROOT + path


@pytest.mark.parametrize(
    "name",
    [
        "LOT-42",
        "",
        "urn:uuid:fd338495-0e6d-41dd-afee-a862ecd32518",
        "http://transaction.acme.com/po/12345678",
        "urn:epcglobal:cbv:bt:0614141073467:1152",
        "urn:epc:id:sgtin:4012345.011111",
        "urn:epc:id:sgtin:4012345.0111111.1",
        "urn:epc:id:sgtin:401x345.011111.1",
        "urn:epc:id:sgtin:12345.01111111.1",
        "urn:epc:id:gid:95100000.12345.400",
        "urn:epc:idpat:sgtin:4012345.*.*",
        "https://example.com/01/1234",
        "https://example.com/01/04012345111118/99/x",
        "https://example.com/01/04012345111118/21",
        "geo:47.506694,11.104301",
    ],
)
def test_what_is_no_gs1_identifier_stays(name: str) -> None:
    assert canonical(name) == name


def test_a_check_digit_of_a_link_is_not_judged() -> None:
    assert canonical("https://x.example/00/040123451111111110") == ROOT + "00/040123451111111110"


@pytest.mark.parametrize(("digits", "digit"), [("061414112345", "2"), ("629104150021", "3"), ("0", "0")])
def test_check_digits(digits: str, digit: str) -> None:
    assert check_digit(digits) == digit


def test_a_link_with_lot_and_serial_tells_the_lot() -> None:
    assert lot_of("https://x.example/01/04012345111118/10/A/21/7") == ROOT + "01/04012345111118/10/A"
    assert lot_of("https://x.example/01/04012345111118/21/7") == ""
    assert lot_of("urn:epc:id:sgtin:4012345.011111.9876") == ""


def test_the_lot_of_an_item_has_the_items_product() -> None:
    assert lot_of_product(ROOT + "01/04012345111118/21/7", "A+1") == ROOT + "01/04012345111118/10/A%2B1"
    assert lot_of_product("local", "A") == ""


def test_a_product_is_told_from_things() -> None:
    assert is_only_product(canonical("urn:epc:idpat:sgtin:4012345.011111.*"))
    assert is_only_product(canonical("urn:epc:idpat:grai:4012345.55555.*"))
    assert not is_only_product(canonical("urn:epc:class:lgtin:4012345.012345.998877"))
    assert not is_only_product(canonical("urn:epc:id:grai:4012345.55555.987"))
    assert not is_only_product("LOT-42")
