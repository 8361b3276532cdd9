"""Keys over time: rotations, later logs, and what counts under which key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidError, MalformedError, MissingError, TallyError
from ledger.log.checkpoint import Checkpoint, cosign, seal_checkpoint
from ledger.log.note import add_signatures
from ledger.log.origin import format_witness_name
from ledger.log.signature import public_key
from ledger.log.statement import Statement
from ledger.members.eras import open_member_log
from ledger.members.folding import check_admission
from ledger.members.network import MemberKeys, recovery_hash
from ledger.members.people import key_id
from ledger.members.reopening import Reopening, check_later_opening, seal_opening
from ledger.members.roster import Roster, unfolded
from ledger.members.rotation import check_rotation, seal_rotation
from ledger.members.witnessing import cosigners, is_witnessed

PERSON = public_key(b"p" * 32)


def seed(name: str) -> bytes:
    return name.encode().ljust(32, b".")[:32]


def keys_of(organization: str, generation: int = 1) -> MemberKeys:
    """Keys of an organization; the node key of a generation is that of the first."""
    tail = "" if generation == 1 else f" {generation}"
    return MemberKeys(
        log=public_key(seed(f"{organization} log{tail}")),
        node=public_key(seed(f"{organization} node")),
        recovery=recovery_hash(public_key(seed(f"{organization} recovery{tail}"))),
        witness=public_key(seed(f"{organization} witness{tail}")),
    )


def rotation(roster: Roster, organization: str, before: int, after: int) -> dict[str, Any]:
    """The body of a rotation from one generation of keys to another."""
    old, new = (seed(f"{organization} log{'' if n == 1 else f' {n}'}") for n in (before, after))
    return dict(
        seal_rotation(
            roster.origin(organization),
            before=keys_of(organization, before),
            after=keys_of(organization, after),
            old_seed=old,
            new_seed=new,
        )
    )


def pin_of(origin: str, size: int, log_seed: bytes) -> str:
    return seal_checkpoint(Checkpoint(origin=origin, size=size, root=bytes(32)), log_seed)


def opening(network: Any, organization: str, pin: str, /, **changed: Any) -> dict[str, Any]:
    """The body that opens the second log of an organization under its first recovery key."""
    reopening = Reopening(
        founding=network.founding,
        organization=organization,
        title="Again",
        number=2,
        keys=replace(keys_of(organization, 9), node=public_key(seed("another node"))),
        pin=pin,
    )
    recovery = changed.pop("recovery", seed(f"{organization} recovery"))
    return dict(seal_opening(replace(reopening, **changed), recovery))


def rotate(network: Any, organization: str, seq: int, time_ms: int = 0, before: int = 1) -> None:
    body = rotation(network.roster, organization, before, before + 1)
    network.fold_at(network.roster.origin(organization), seq, "keys.rotate", body, time_ms)


# Rotation


def test_a_rotation_gives_larger_notes_another_key(network: Any) -> None:
    network.admit("bolt")
    origin = network.roster.origin("bolt")
    rotate(network, "bolt", 7)
    assert network.roster.log_key(origin, 8).public_key == keys_of("bolt").log
    assert network.roster.log_key(origin, 9).public_key == keys_of("bolt", 2).log
    assert network.roster.log_key(origin) == network.roster.log_key(origin, 9)
    assert [(era.start, era.end) for era in network.roster.log_keys(origin)] == [(0, 8), (8, None)]
    assert network.roster.turn_after(origin, 7) == 8
    assert network.roster.turn_after(origin, 8) is None


@given(st.lists(st.integers(0, 200), unique=True, min_size=1, max_size=12).map(sorted))
def test_every_size_has_one_key(positions: list[int]) -> None:
    log = open_member_log("bolt/0123456789abcdef", keys_of("bolt"), None)
    for generation, position in enumerate(positions, 2):
        log = log.rotated(position, 0, keys_of("bolt", generation))
    for size in range(210):
        generation = 1 + sum(position + 1 < size for position in positions)
        assert log.era_of(size).key.public_key == keys_of("bolt", generation).log


@pytest.mark.parametrize("field", ["new", "old"])
def test_a_rotation_whose_signature_is_not_good_has_no_effect(network: Any, field: str) -> None:
    body = rotation(network.roster, "acme", 1, 2)
    body[field] = bytes(64)
    network.fold_at(network.roster.origin("acme"), 5, "keys.rotate", body)
    assert len(network.roster.log_keys(network.roster.origin("acme"))) == 1


def test_a_rotation_that_changes_the_node_key_is_refused(network: Any) -> None:
    origin, before = network.roster.origin("acme"), keys_of("acme")
    after = replace(keys_of("acme", 2), node=public_key(b"n" * 32))
    with pytest.raises(InvalidError, match="node key"):
        seal_rotation(
            origin, before=before, after=after, old_seed=seed("acme log"), new_seed=seed("acme log 2")
        )


def test_a_rotation_for_another_log_is_refused(network: Any) -> None:
    body = rotation(network.roster, "acme", 1, 2)
    statement = Statement(kind="keys.rotate", audience=None, body=body, nonce=bytes(16))
    check_rotation(network.roster.origin("acme"), keys_of("acme"), statement)
    with pytest.raises(InvalidError, match="old key"):
        check_rotation("bolt/0123456789abcdef", keys_of("acme"), statement)


def test_a_rotation_that_comes_again_has_no_effect(network: Any) -> None:
    body = rotation(network.roster, "acme", 1, 2)
    for seq in (5, 9):
        network.fold_at(network.roster.origin("acme"), seq, "keys.rotate", body)
    assert len(network.roster.log_keys(network.roster.origin("acme"))) == 2


# Cosignatures


def cosigned(network: Any, generation: int, time_s: int) -> str:
    """A note of acme with a cosignature of bolt under a generation of its key."""
    origin = network.roster.origin("acme")
    note = seal_checkpoint(Checkpoint(origin=origin, size=3, root=bytes(32)), seed("acme log"))
    name = format_witness_name("bolt", network.roster.network)
    tail = "" if generation == 1 else f" {generation}"
    return add_signatures(note, cosign(note, name, seed(f"bolt witness{tail}"), time_s))


@pytest.mark.parametrize(("time_s", "counts"), [(99, True), (100, True), (101, False)])
def test_a_cosignature_under_a_superseded_key_counts_up_to_the_rotation(
    network: Any, time_s: int, counts: bool
) -> None:
    network.admit("bolt")
    rotate(network, "bolt", 4, time_ms=100_999)
    assert (cosigners(network.roster, cosigned(network, 1, time_s)) == {"bolt": time_s}) is counts
    assert is_witnessed(network.roster, cosigned(network, 1, time_s)) is counts


def test_a_cosignature_under_the_new_key_counts_after_the_rotation(network: Any) -> None:
    network.admit("bolt")
    assert cosigners(network.roster, cosigned(network, 2, 500)) == {}
    rotate(network, "bolt", 4, time_ms=100_000)
    assert cosigners(network.roster, cosigned(network, 2, 500)) == {"bolt": 500}
    assert [era.superseded_ms for era in network.roster.witness_keys("bolt")] == [100_000, None]


def test_two_members_with_one_witness_key_count_once(network: Any) -> None:
    for name in ("bolt", "cord"):
        network.admit(name)
    before = keys_of("cord")
    after = replace(before, witness=keys_of("bolt").witness)
    origin = network.roster.origin("cord")
    body = seal_rotation(
        origin, before=before, after=after, old_seed=seed("cord log"), new_seed=seed("cord log")
    )
    network.fold_at(origin, 3, "keys.rotate", dict(body))
    note = cosigned(network, 1, 50)
    name = format_witness_name("cord", network.roster.network)
    both = add_signatures(note, cosign(note, name, seed("bolt witness"), 50))
    assert len(cosigners(network.roster, both)) == 1
    assert not is_witnessed(network.roster, both)


# Later logs


def reopen(network: Any, size: int = 4, time_ms: int = 9000) -> str:
    network.admit("bolt")
    first: str = network.roster.origin("bolt")
    network.fold_at(first, 2, "person.grant", {"key": PERSON, "name": "ada", "roles": ["director"]})
    network.fold_at(first, 3, "node.address", {"certificate": None, "url": "http://127.0.0.1:1"})
    body = opening(network, "bolt", pin_of(first, size, seed("bolt log")))
    network.fold_at(f"{first}/2", 0, "log.open", body, time_ms, b"o" * 32)
    return first


def test_a_later_log_takes_the_place_of_the_one_before(network: Any) -> None:
    first = reopen(network)
    roster = network.roster
    assert roster.logs("bolt") == (first, f"{first}/2")
    assert (roster.origin("bolt"), roster.next_origin("bolt")) == (f"{first}/2", f"{first}/3")
    assert roster.member_of(first) == roster.member_of(f"{first}/2") == roster.member("bolt")
    assert roster.member("bolt").keys.log == keys_of("bolt", 9).log
    assert roster.log(f"{first}/2").opening == b"o" * 32
    assert roster.log_key(first, 3).public_key == keys_of("bolt").log
    assert roster.log_keys(first)[0].superseded_ms == 9000
    assert [era.superseded_ms for era in roster.witness_keys("bolt")] == [9000, None]
    assert "bolt" not in roster.addresses


def test_the_log_before_ends_at_the_pin(network: Any) -> None:
    first = reopen(network)
    assert network.roster.end_of(first) == Checkpoint(origin=first, size=4, root=bytes(32))
    assert [network.roster.is_beyond(first, seq) for seq in (3, 4)] == [False, True]
    network.fold_at(first, 4, "person.grant", {"key": PERSON, "name": "eve", "roles": ["x"]})
    assert [p.name for p in network.roster.people_of(first)[key_id(PERSON)]] == ["ada"]


def test_what_was_folded_beyond_the_pin_is_gone_after_a_second_fold(network: Any) -> None:
    network.admit("bolt")
    first = network.roster.origin("bolt")
    network.fold_at(first, 6, "person.grant", {"key": PERSON, "name": "eve", "roles": ["x"]})
    body = opening(network, "bolt", pin_of(first, 4, seed("bolt log")))
    network.fold_at(f"{first}/2", 0, "log.open", body)
    assert network.roster.people_of(first)
    again = unfolded(network.roster)
    network.roster = again
    network.fold_at(first, 6, "person.grant", {"key": PERSON, "name": "eve", "roles": ["x"]})
    assert not network.roster.people_of(first)


def test_a_grant_in_one_log_does_not_count_in_the_next(network: Any) -> None:
    first = reopen(network)
    assert list(network.roster.people_of(first)) == [key_id(PERSON)]
    assert network.roster.people_of(f"{first}/2") == {}


def test_of_two_openings_of_one_number_the_first_stays(network: Any) -> None:
    first = reopen(network)
    body = opening(network, "bolt", pin_of(first, 3, seed("bolt log")), title="Second")
    network.fold_at(f"{first}/2", 0, "log.open", body, leaf=b"x" * 32)
    assert network.roster.member("bolt").title == "Again"
    assert network.roster.log(f"{first}/2").opening == b"o" * 32


def test_statements_in_a_log_that_nobody_opened_count_for_nothing(network: Any) -> None:
    network.admit("bolt")
    origin = f"{network.roster.origin('bolt')}/2"
    network.fold_at(origin, 1, "person.grant", {"key": PERSON, "name": "eve", "roles": ["x"]})
    assert network.roster.people_of(origin) == {}
    with pytest.raises(MissingError, match="nobody opened"):
        network.roster.member_of(origin)


def wrong_openings(network: Any, first: str) -> dict[str, dict[str, Any]]:
    good = pin_of(first, 4, seed("bolt log"))
    return {
        "recovery key": opening(network, "bolt", good, recovery=seed("somebody else")),
        "pin of another key": opening(network, "bolt", pin_of(first, 4, seed("eve"))),
        "pin of another log": opening(network, "bolt", pin_of("acme/" + first[5:], 4, seed("bolt log"))),
        "pin of nothing": opening(network, "bolt", "no note"),
        "number": opening(network, "bolt", good, number=3),
        "organization": opening(network, "bolt", good, organization="acme"),
        "keys": opening(network, "bolt", good, keys=replace(keys_of("bolt"), log=b"\x01" + bytes(31))),
    }


@pytest.mark.parametrize(
    "what",
    [
        "recovery key",
        "pin of another key",
        "pin of another log",
        "pin of nothing",
        "number",
        "organization",
        "keys",
    ],
)
def test_an_opening_that_does_not_hold_has_no_effect_and_is_refused(network: Any, what: str) -> None:
    network.admit("bolt")
    roster = network.roster
    first = roster.origin("bolt")
    body = wrong_openings(network, first)[what]
    network.fold_at(f"{first}/2", 0, "log.open", body)
    assert network.roster.logs("bolt") == (first,)
    statement = Statement(kind="log.open", audience=None, body=body, nonce=bytes(16))
    with pytest.raises(TallyError):
        check_later_opening(statement, origin=f"{first}/2", network=roster.network, before=roster.log(first))


def test_the_recovery_key_that_a_rotation_named_below_the_pin_opens_the_next_log(network: Any) -> None:
    network.admit("bolt")
    first = network.roster.origin("bolt")
    rotate(network, "bolt", 5)
    old, new = seed("bolt recovery"), seed("bolt recovery 2")
    for size, recovery, opens in ((6, old, False), (5, new, False), (5, old, True), (6, new, True)):
        pin = pin_of(first, size, seed("bolt log"))
        body = opening(network, "bolt", pin, recovery=recovery)
        statement = Statement(kind="log.open", audience=None, body=body, nonce=bytes(16))
        before = network.roster.log(first)
        try:
            check_later_opening(statement, origin=f"{first}/2", network=network.roster.network, before=before)
        except InvalidError:
            assert not opens
        else:
            assert opens


def test_the_first_opening_of_a_log_is_no_reopening() -> None:
    statement = Statement(kind="log.open", audience=None, body={"number": 1}, nonce=bytes(16))
    with pytest.raises(MalformedError, match="a first log"):
        Reopening.of_opening(statement)


def test_a_later_log_of_the_founder_still_admits(network: Any) -> None:
    first = network.roster.origin("acme")
    body = opening(network, "acme", pin_of(first, 4, seed("acme log")))
    network.fold_at(f"{first}/2", 0, "log.open", body)
    invite = b"i" * 32
    network.fold_at(
        f"{first}/2", 1, "network.invite", {"organization": "bolt", "secret": bytes(32)}, leaf=invite
    )
    check_admission(network.roster, invite, "bolt")
