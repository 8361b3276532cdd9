"""Another timekeeper in the place of a silent one: who is enough, where the log is cut, and that order of
arrival does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.agreement import Agreement, read_agreement
from contracts.contract import load_contract
from contracts.document import format_document
from contracts.reading import parse_contract_yaml
from contracts.records import Outside, Position, Record, log_order
from contracts.replay import Replay
from contracts.statements import check_statement, check_vote
from ledger.errors import ConflictError, ForbiddenError, InvalidError, TallyError
from tests.contracts.conftest import DOCUMENTS, NETWORK, Story

MEMBERS = ("port", "acme", "bolt", "hub", "oak", "elm")
"""Of a network of six: port keeps the time, acme and bolt are parties, hub is the successor."""
ROOT = b"r" * 32
DOCUMENT = parse_contract_yaml(
    (DOCUMENTS / "orders.yaml").read_bytes().replace(b"timekeeper: port", b"timekeeper: port\nsuccessor: hub")
)
CONTRACT = load_contract(format_document(DOCUMENT))


def head_of(organization: str, size: int, face: str = "") -> str:
    """What stands for a signed and witnessed note of a log."""
    return f"{organization}/{NETWORK} {size} {face}"


def outside(joined: Mapping[str, int] | None = None, held: Mapping[str, int] | None = None) -> Outside:
    """A network of the members and who joined later, at whose copies logs reach so far."""
    since = dict.fromkeys(MEMBERS, 0) | dict(joined or {})

    def head(note: str, organization: str, time_ms: int) -> Position | None:
        origin, _, size = note.partition(" ")
        own = origin.partition("/")[0] == organization
        return (origin, int(size.split()[0])) if own and "forged" not in note else None

    def enough(replaced: str, organizations: frozenset[str], time_ms: int) -> bool:
        others = {name for name, since_ms in since.items() if since_ms <= time_ms} - {replaced}
        return 2 * len(organizations & others) > len(others)

    def lacks(note: str) -> bytes | None:
        organization, _, rest = note.partition("/")
        size = int(rest.split()[1])
        return None if size <= (held or {}).get(organization, size) else ROOT

    return Outside(head=head, enough=enough, lacks=lacks)


class Told(Story):
    """The story of an agreement whose timekeeper falls silent."""

    def hand_over(self, organization: str, to: str = "hub", size: int | None = None, **more: Any) -> Record:
        """A statement that names the head of the silent one's log as it is, or of this size."""
        silent, face = more.pop("silent", "port"), more.pop("face", "")
        size = self.size(silent) if size is None else size
        body = {"agreement": self.agreement, "head": head_of(silent, size, face), "timekeeper": to}
        return self.add(
            organization, "timekeeper.replace", body | {"term": more.pop("term", 1)}, person="ann", **more
        )

    def size(self, organization: str) -> int:
        """How many entries an organization's log has."""
        return self.lengths.get(f"{organization}/{NETWORK}", -1) + 1

    def order(self, name: str) -> Record:
        """A fact that waits for being counted."""
        return self.state("bolt", "ordered", {"order": name, "pieces": "1"})

    def learnt(self, records: Iterable[Record] | None = None, world: Outside | None = None) -> Replay:
        """A replay that learnt these records, or all."""
        replay = Replay(CONTRACT, outside=world or outside())
        replay.learn(*(self.records if records is None else records))
        return replay

    def without(self, *records: Record) -> list[Record]:
        """All records but these."""
        return [record for record in self.records if record not in records]


@pytest.fixture
def told() -> Told:
    """An agreement in force, of which one order is counted."""
    story = Told(DOCUMENT)
    story.sign_all()
    story.count(story.order("first"))
    return story


def orders(replay: Replay) -> list[str]:
    """The orders that are counted."""
    return [str(fact.fields["order"]) for fact in replay.course.existing]


# Who is enough


def test_all_parties_together_put_anybody_in_place(told: Told) -> None:
    told.count(told.hand_over("acme", "oak"), told.hand_over("bolt", "oak"), organization="oak")
    assert (told.learnt().timekeeper, told.learnt().opened) == ("oak", True)


def test_one_party_alone_replaces_nobody(told: Told) -> None:
    told.count(told.hand_over("bolt", "oak"), organization="oak")
    assert told.learnt().timekeeper == "port"


def test_more_than_half_of_the_others_put_the_successor_in_place(told: Told) -> None:
    told.count(*(told.hand_over(name) for name in ("acme", "oak", "elm")), organization="hub")
    assert (told.learnt().timekeeper, told.learnt().opened) == ("hub", True)


def test_a_vote_one_short_replaces_nobody(told: Told) -> None:
    told.count(*(told.hand_over(name) for name in ("acme", "oak")), organization="hub")
    assert told.learnt().timekeeper == "port"


def test_a_vote_without_a_party_replaces_nobody(told: Told) -> None:
    told.count(*(told.hand_over(name) for name in ("hub", "oak", "elm")), organization="hub")
    assert told.learnt().timekeeper == "port"


def test_the_silent_one_has_no_vote(told: Told) -> None:
    told.count(*(told.hand_over(name) for name in ("acme", "oak", "port")), organization="hub")
    assert told.learnt().timekeeper == "port"


def test_a_vote_puts_nobody_but_the_successor_in_place(told: Told) -> None:
    told.count(*(told.hand_over(name, "elm") for name in ("acme", "oak", "elm", "hub")), organization="elm")
    assert told.learnt().timekeeper == "port"


@pytest.mark.parametrize("time_ms", [2_000_000_000_000, 0])
def test_who_joined_after_the_opening_votes_for_nothing(told: Told, time_ms: int) -> None:
    told.count(*(told.hand_over(name) for name in ("acme", "oak", "nine", "ten")), organization="hub")
    world = outside({"nine": time_ms, "ten": time_ms})
    assert told.learnt(world=world).opened is (time_ms == 0)


def test_members_who_join_later_take_no_term_away(told: Told) -> None:
    told.count(*(told.hand_over(name) for name in ("acme", "oak", "elm")), organization="hub")
    joined = dict.fromkeys(("nine", "ten", "eleven"), told.now_ms + 1)
    assert told.learnt(world=outside(joined)).opened


@pytest.mark.parametrize("face", ["forged", ""])
def test_a_head_that_is_not_of_the_silent_log_says_nothing(told: Told, face: str) -> None:
    told.count(told.hand_over("acme", face=face), told.hand_over("bolt"), organization="hub")
    assert (told.learnt().timekeeper == "hub") is (face == "")


def test_of_an_organization_the_first_statement_for_a_term_counts(told: Told) -> None:
    first = told.hand_over("bolt", "oak")
    said = told.hand_over("acme")
    told.count(said, told.hand_over("bolt"), organization="hub")
    assert told.learnt().timekeeper == "port"
    assert told.learnt(told.without(first)).timekeeper == "hub"


def test_the_new_timekeeper_has_to_name_enough_in_one_entry(told: Told) -> None:
    """So whoever holds some of what it named computes a beginning of what holds, and nothing else."""
    said = [told.hand_over("acme"), told.hand_over("bolt")]
    told.count(said[0], organization="hub")
    told.count(said[1], organization="hub")
    assert not told.learnt().opened
    told.count(*said, organization="hub")
    assert told.learnt().opened


# Where the log is cut


def test_heads_that_differ_count_together_and_the_longest_cuts(told: Told) -> None:
    short = told.size("port")
    told.count(told.order("second"))
    said = [told.hand_over("acme", size=short), told.hand_over("bolt")]
    told.count(told.order("third"))
    told.count(*said, organization="hub")
    replay = told.learnt()
    assert orders(replay) == ["first", "second"]
    assert replay.terms[1].cut == (f"port/{NETWORK}", short + 1)


def test_what_the_old_one_counted_past_the_cut_is_counted_again(told: Told) -> None:
    said = [told.hand_over("acme"), told.hand_over("bolt")]
    beyond = told.count(order := told.order("second"))
    assert orders(told.learnt(told.without(*said))) == ["first", "second"]
    told.count(*said, organization="hub")
    replay = told.learnt()
    assert orders(replay) == ["first"]
    assert order.leaf_hash in replay.countable()
    remarks = {remark.leaf_hash: remark.text for remark in read_agreement(replay).remarks}
    assert remarks == {beyond.leaf_hash: "counted past the head at which hub takes over"}
    told.count(order, organization="hub")
    assert orders(told.learnt()) == ["first", "second"]


def test_a_longer_head_that_is_stated_after_the_opening_changes_nothing(told: Told) -> None:
    said = [told.hand_over(name) for name in ("acme", "oak", "elm")]
    told.count(told.order("second"))
    told.count(*said, organization="hub")
    before = read_agreement(told.learnt())
    told.count(told.hand_over("bolt"), organization="hub")
    after = told.learnt()
    assert after.terms[1].statements == tuple(sorted(said, key=log_order))
    assert after.course.existing == list(before.existing)


def test_nobody_opens_a_term_before_what_stands_was_counted(told: Told) -> None:
    late = told.now_ms + 500_000
    told.count(told.order("second"), time_ms=late)
    said = [told.hand_over("acme"), told.hand_over("bolt")]
    told.count(*said, organization="hub", time_ms=late - 1)
    assert not told.learnt().opened
    told.count(*said, organization="hub", time_ms=late)
    assert told.learnt().opened


def test_of_two_faces_of_one_size_everybody_takes_the_same(told: Told) -> None:
    said = [told.hand_over("acme", face="a"), told.hand_over("bolt", face="b")]
    told.count(*said, organization="hub")
    assert {told.learnt(order).terms[1].head for order in (told.records, told.records[::-1])} == {
        said[1].body["head"]
    }


# What the new timekeeper names


def jammed(told: Told) -> tuple[list[Record], Record]:
    """A vote in which one party names a head past what nobody gets the payload of."""
    said = [told.hand_over(name) for name in ("acme", "oak", "elm")]
    told.count(hidden := told.order("hidden"))
    return [*said, told.hand_over("bolt")], hidden


def test_a_head_past_what_nobody_can_get_does_not_jam_a_vote_that_is_enough_without(told: Told) -> None:
    said, hidden = jammed(told)
    replay = told.learnt(told.without(hidden))
    assert set(replay.countable()) == {record.leaf_hash for record in said[:3]}
    told.count(*said[:3], organization="hub")
    replay = told.learnt(told.without(hidden))
    assert (replay.opened, replay.missing, orders(replay)) == (True, (), ["first"])


def test_what_is_here_is_named_with_the_longest_head(told: Told) -> None:
    said, _ = jammed(told)
    assert set(told.learnt().countable()) == {record.leaf_hash for record in said}


def test_with_too_few_heads_before_what_is_missing_nothing_is_named(told: Told) -> None:
    said, hidden = jammed(told)
    assert list(told.learnt(told.without(hidden, said[0])).countable()) == []


def test_with_something_missing_in_an_earlier_term_nothing_is_named(told: Told) -> None:
    told.count(lost := told.order("lost"))
    told.count(told.hand_over("acme"), told.hand_over("bolt"), organization="hub")
    said = [told.hand_over(name, "oak", silent="hub", term=2) for name in ("acme", "bolt")]
    assert set(told.learnt().countable()) == {record.leaf_hash for record in said}
    assert list(told.learnt(told.without(lost)).countable()) == []


def test_a_head_past_the_copy_of_the_log_is_not_named(told: Told) -> None:
    held = {"port": told.size("port")}
    said = [told.hand_over(name) for name in ("acme", "oak", "elm")]
    told.count(told.order("second"))
    told.hand_over("bolt")
    named = set(told.learnt(world=outside(held=held)).countable())
    assert named == {record.leaf_hash for record in said}
    assert list(told.learnt(told.without(said[0]), outside(held=held)).countable()) == []


def test_nothing_of_the_new_one_is_taken_before_the_old_log_is_here_up_to_the_cut(told: Told) -> None:
    """A deadline that the new one closes must not close over a fact that the old one counted."""
    told.count(told.hand_over("acme"), told.hand_over("bolt"), organization="hub")
    told.tick(told.now_ms + 10**9, organization="hub")
    held = {"port": told.size("port") - 1}
    replay = told.learnt(world=outside(held=held))
    assert (replay.missing, replay.course.evaluator.firings) == ((ROOT,), [])
    replay.outside = outside()
    replay.learn()
    assert read_agreement(replay) == read_agreement(told.learnt())
    assert replay.course.evaluator.firings


# Terms after terms


def test_a_handover_of_a_handover_back_to_the_first(told: Told) -> None:
    told.count(told.hand_over("acme"), told.hand_over("bolt"), organization="hub")
    told.count(told.order("second"), organization="hub")
    said = [told.hand_over(name, "port", silent="hub", term=2) for name in ("acme", "bolt")]
    told.count(told.order("void"), organization="hub")
    told.count(*said, organization="port")
    told.count(told.order("third"), organization="port")
    replay = told.learnt()
    assert [term.timekeeper for term in replay.terms] == ["port", "hub", "port"]
    assert orders(replay) == ["first", "second", "third"]


def test_a_statement_for_a_later_term_waits_for_the_one_before(told: Told) -> None:
    said = [told.hand_over(name, "oak", silent="hub", term=2) for name in ("acme", "bolt")]
    told.count(*said, organization="oak")
    assert told.learnt().timekeeper == "port"


def test_the_old_one_that_counts_on_is_shown_and_changes_nothing(told: Told) -> None:
    told.count(told.hand_over("acme"), told.hand_over("bolt"), organization="hub")
    before = told.learnt()
    entry = told.count(told.order("second"))
    after = told.learnt()
    assert orders(after) == orders(before)
    assert entry.leaf_hash in {remark.leaf_hash for remark in read_agreement(after).remarks}


# In whatever order


RACE = (("acme", "oak"), ("bolt", "oak"), ("acme", "hub"), ("bolt", "hub"), ("oak", "hub"), ("elm", "hub"))
TOGETHER = (RACE[:2], (RACE[2], *RACE[4:]), (RACE[0], *RACE[3:]), RACE)


def a_race(random: Random) -> Told:
    """Parties who together want one, members who vote for another, or both; and each of those begins."""
    told = Told(DOCUMENT)
    told.sign_all()
    said: list[Record] = []
    waiting: list[Record] = []
    for organization, to in random.sample(together := random.choice(TOGETHER), len(together)):
        for _ in range(random.randrange(3)):
            waiting.append(told.order(f"order {len(told.records)}"))
            if random.random() < 0.7:
                told.count(*random.choices(waiting, k=2))
        size, face = random.randrange(1, told.size("port") + 1), random.choice(["", "", "", "forged"])
        said.append(told.hand_over(organization, to, size=size, face=face))
    keepers = random.sample(["hub", "oak", "port"], 3)
    for number, keeper in enumerate([*keepers, *keepers]):
        if random.random() < 0.8:
            named = random.sample(said, random.randrange(len(said) + 1)) if random.random() < 0.3 else said
            told.count(*named, *random.choices([*waiting, *said]), organization=keeper)
        if random.random() < 0.3:
            said += [told.hand_over(name, "port", silent="hub", term=2) for name in ("acme", "bolt")]
        waiting.append(told.order(f"late order {number}"))
        told.count(*random.choices(waiting, k=3), organization=keeper)
        told.tick(told.now_ms + random.choice([0, 10**9]), organization=random.choice(keepers))
    return told


def after_arrival(told: Told, random: Random, world: Outside) -> Agreement:
    """What a holder comes to at which everything arrives some time, some of it twice."""
    arriving = [*told.records, *random.choices(told.records, k=3)]
    random.shuffle(arriving)
    replay = Replay(CONTRACT, outside=world)
    while arriving:
        batch = random.randrange(1, 6)
        replay.learn(*arriving[:batch])
        assert len({term.number for term in replay.terms}) == len(replay.terms)
        del arriving[:batch]
    return read_agreement(replay)


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_every_holder_has_the_same_timekeeper_in_every_order_of_arrival(random: Random) -> None:
    told, world = a_race(random), outside()
    expected = read_agreement(told.learnt())
    assert after_arrival(told, random, world) == expected
    assert after_arrival(told, random, world) == expected


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_no_statement_that_arrives_later_takes_a_term_away(random: Random) -> None:
    told = a_race(random)
    before = told.learnt()
    for organization, to in random.sample(RACE, 4):
        told.hand_over(organization, to, size=random.randrange(1, told.size("port") + 1))
    told.count(*told.records[-4:], organization=random.choice(["hub", "oak"]))
    after = told.learnt()
    if before.opened and len(before.terms) > 1:
        assert after.terms[: len(before.terms)] == before.terms
        assert after.course.existing[: len(before.course.existing)] == before.course.existing


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_what_a_new_timekeeper_is_given_to_name_opens_its_term(random: Random) -> None:
    """However much of it the one who names it lacks."""
    told = a_race(random)
    lost = random.sample(told.records[3:], random.randrange(3))
    held = {"port": random.randrange(1, told.size("port") + 2)}
    told.records = told.without(*lost)
    world = outside(held=held)
    replay = told.learnt(world=world)
    if replay.opened or not (named := list(replay.countable())):
        return
    told.now_ms = max(told.now_ms, replay.course.last_ms)
    told.count(*(replay.held.records[leaf_hash] for leaf_hash in named), organization=replay.timekeeper)
    after = told.learnt(world=world)
    term = after.terms[replay.terms[-1].number]
    assert (term.timekeeper, term.opening) == (replay.timekeeper, log_order(told.records[-1]))
    if term is after.terms[-1]:  # what counts in a term after it may be lost, too
        assert after.missing == ()


# What a node refuses of its own


def draft(told: Told, organization: str, to: str = "hub", **more: Any) -> Record:
    """A statement before it is in any log."""
    record = told.hand_over(organization, to, **more)
    told.records.pop()
    return record


def test_a_party_and_any_member_may_say_who_is_next(told: Told) -> None:
    for organization in ("acme", "elm"):
        check_statement(told.learnt(), draft(told, organization))


def test_a_statement_for_a_term_that_waits_for_its_opening_is_welcome(told: Told) -> None:
    told.hand_over("acme")
    told.hand_over("bolt")
    assert not told.learnt().opened
    check_statement(told.learnt(), draft(told, "elm"))


@pytest.mark.parametrize(
    ("organization", "to", "more", "error"),
    [
        ("acme", "hub", {"term": 2}, ConflictError),
        ("acme", "port", {}, ConflictError),
        ("elm", "oak", {}, ForbiddenError),
        ("bolt", "hub", {}, ConflictError),
        ("acme", "hub", {"face": "forged"}, InvalidError),
        ("acme", "hub", {"silent": "bolt"}, InvalidError),
    ],
    ids=["another term", "the silent one", "no party and no successor", "twice", "forged", "another log"],
)
def test_what_could_not_count_is_refused(
    told: Told, organization: str, to: str, more: dict[str, Any], error: type[TallyError]
) -> None:
    told.hand_over("bolt")
    with pytest.raises(error):
        check_statement(told.learnt(), draft(told, organization, to, **more))


def test_who_holds_no_document_may_vote(told: Told) -> None:
    check_vote(draft(told, "elm"), [told.hand_over("acme")], outside())


@pytest.mark.parametrize(
    ("to", "more", "error"),
    [
        ("port", {}, ConflictError),
        ("hub", {"term": 1}, ConflictError),
        ("hub", {"face": "forged", "term": 2}, InvalidError),
        ("hub", {"term": 0}, TallyError),
    ],
    ids=["the silent one", "twice", "forged", "no term"],
)
def test_a_vote_that_could_not_count_is_refused(
    told: Told, to: str, more: dict[str, Any], error: type[TallyError]
) -> None:
    said = told.hand_over("elm")
    with pytest.raises(error):
        check_vote(draft(told, "elm", to, **{"term": 3} | more), [said], outside())


def test_a_vote_that_no_person_signed_is_refused(told: Told) -> None:
    record = told.add("elm", "timekeeper.replace", dict(told.hand_over("acme").body))
    with pytest.raises(ForbiddenError):
        check_vote(record, [], outside())
