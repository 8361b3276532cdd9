"""The trace: back to the sources and forward to the ends, through time, across firms."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.trace.answers import Trace, format_trace
from ledger.trace.questions import trace_back, trace_forward
from ledger.trace.walk import Limits

MINUTE_MS = 60_000
START_MS = 1_767_225_600_000


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def leaves(trace: Trace) -> set[str]:
    return {leaf.thing for leaf in trace.leaves}


def whats(trace: Trace) -> dict[str, str]:
    return {unknown.thing: unknown.what for unknown in trace.unknown}


def test_a_made_thing_leads_back_to_its_inputs(recorder: Any) -> None:
    recorder.commission(0, "beans1")
    recorder.commission(0, "beans2")
    recorder.transform(10, ["beans1", "beans2"], ["bag"])
    trace = trace_back(recorder.source(), "bag")
    assert leaves(trace) == {"beans1", "beans2"}
    assert not trace.unknown


def test_a_chain_of_makings_is_followed_across_firms(recorder: Any) -> None:
    recorder.commission(0, "cherry", by="farm")
    recorder.transform(10, ["cherry"], ["green"], by="farm")
    recorder.ship(20, "green", by="farm", to="roaster")
    recorder.receive(30, "green", by="roaster")
    recorder.transform(40, ["green"], ["roast"], by="roaster")
    trace = trace_back(recorder.source(), "roast")
    assert leaves(trace) == {"cherry"}
    assert {edge.organization for edge in trace.edges} == {"farm", "roaster"}
    assert [(s.how, s.organization) for s in trace.steps if s.thing == "green"] == [
        ("shipped", "farm"),
        ("received", "roaster"),
    ]


def test_every_edge_and_step_names_its_entry(recorder: Any) -> None:
    recorder.commission(0, "beans")
    recorder.transform(10, ["beans"], ["bag"])
    trace = trace_forward(recorder.source(), "beans")
    known = {record.ref for record in recorder.records}
    assert trace.edges
    assert {ref for edge in trace.edges for ref in edge.refs} <= known
    assert {step.ref for step in trace.steps} <= known


def test_an_input_added_after_the_output_was_made_is_no_source(recorder: Any) -> None:
    recorder.record("TransformationEvent", 0, inputEPCList=["a"], transformationID="urn:x:t")
    recorder.record("TransformationEvent", 5, outputEPCList=["out"], transformationID="urn:x:t")
    recorder.record("TransformationEvent", 9, inputEPCList=["late"], transformationID="urn:x:t")
    assert leaves(trace_back(recorder.source(), "out")) == {"a"}
    assert leaves(trace_forward(recorder.source(), "a")) == {"out"}
    assert leaves(trace_forward(recorder.source(), "late")) == {"late"}


def test_inputs_and_outputs_of_one_transformation_in_several_events_are_joined(recorder: Any) -> None:
    first = recorder.record("TransformationEvent", 0, inputEPCList=["a"], transformationID="urn:x:t")
    last = recorder.record("TransformationEvent", 5, outputEPCList=["out"], transformationID="urn:x:t")
    trace = trace_back(recorder.source(), "out")
    assert [edge.refs for edge in trace.edges] == [(first.ref, last.ref)]


def test_what_an_input_contained_is_a_source_too(recorder: Any) -> None:
    recorder.commission(0, "crate", "fig")
    recorder.pack(1, "crate", "fig")
    recorder.transform(5, ["crate"], ["jam"])
    assert leaves(trace_back(recorder.source(), "jam")) == {"fig"}
    assert leaves(trace_forward(recorder.source(), "fig")) == {"jam"}


def test_what_had_been_unpacked_before_the_use_is_no_source(recorder: Any) -> None:
    recorder.commission(0, "crate", "fig", "pear")
    recorder.pack(1, "crate", "fig", "pear")
    recorder.unpack(3, "crate", "pear")
    recorder.transform(5, ["crate"], ["jam"])
    assert leaves(trace_back(recorder.source(), "jam")) == {"fig"}


def test_neighbours_on_a_pallet_are_not_part_of_the_answer(recorder: Any) -> None:
    recorder.commission(0, "mine", "other")
    recorder.pack(1, "pallet", "mine", "other")
    recorder.ship(2, "pallet")
    recorder.receive(3, "pallet", by="shop")
    recorder.unpack(4, "pallet", "mine", "other", by="shop")
    for ask in (trace_back, trace_forward):
        trace = ask(recorder.source(), "mine")
        assert set(trace.things) == {"mine", "pallet"}
        assert [s.how for s in trace.steps] == ["commissioned", "shipped", "received"]


def test_attack_a_reused_pallet_does_not_widen_the_trace(recorder: Any) -> None:
    recorder.commission(0, "mine")
    recorder.pack(1, "pallet", "mine")
    recorder.ship(2, "pallet")
    recorder.unpack(4, "pallet", "mine", by="shop")
    recorder.pack(1000, "pallet", "later", by="shop")
    recorder.ship(1001, "pallet", by="shop", to="elsewhere")
    recorder.transform(1002, ["pallet"], ["mush"], by="elsewhere")
    trace = trace_forward(recorder.source(), "mine")
    assert set(trace.things) == {"mine", "pallet"}
    assert [s.time_ms for s in trace.steps] == [at(0), at(2)]


def test_an_item_packed_elsewhere_has_left_the_first_pallet(recorder: Any) -> None:
    recorder.pack(1, "p1", "item")
    recorder.pack(5, "p2", "item")
    recorder.ship(7, "p1", by="acme", to="wrong")
    recorder.ship(8, "p2", by="acme", to="right")
    trace = trace_forward(recorder.source(), "item")
    assert [step.given_to for step in trace.steps] == ["right"]


def test_a_lot_may_be_on_two_pallets_at_once(recorder: Any, amount: Any) -> None:
    for minute, pallet in ((1, "p1"), (2, "p2")):
        recorder.record(
            "AggregationEvent",
            minute,
            parentID=pallet,
            childQuantityList=[amount("urn:x:lot", "5", "KGM")],
            action="ADD",
        )
    recorder.ship(3, "p1", to="east")
    recorder.ship(4, "p2", to="west")
    trace = trace_forward(recorder.source(), "urn:x:lot")
    assert [step.given_to for step in trace.steps] == ["east", "west"]


def test_emptying_a_pallet_without_naming_anything_unpacks_all(recorder: Any) -> None:
    recorder.pack(1, "pallet", "mine")
    recorder.unpack(3, "pallet")
    recorder.ship(5, "pallet", to="elsewhere")
    assert trace_forward(recorder.source(), "mine").steps == ()


def test_a_decommissioned_pallet_holds_nothing_any_more(recorder: Any) -> None:
    recorder.pack(1, "pallet", "mine")
    recorder.observe(3, "pallet", action="DELETE")
    recorder.ship(5, "pallet", to="elsewhere")
    steps = trace_forward(recorder.source(), "mine").steps
    assert [step.how for step in steps] == ["decommissioned"]


def test_a_pallet_commissioned_anew_holds_nothing_of_its_former_life(recorder: Any) -> None:
    recorder.commission(0, "pallet")
    recorder.pack(1, "pallet", "mine")
    recorder.commission(3, "pallet")
    recorder.ship(5, "pallet", to="elsewhere")
    assert [s.how for s in trace_forward(recorder.source(), "mine").steps] == ["commissioned"]


def test_nested_pallets_carry_while_they_are_nested(recorder: Any) -> None:
    recorder.pack(1, "case", "item")
    recorder.pack(2, "pallet", "case")
    recorder.pack(3, "truck", "pallet")
    recorder.ship(4, "truck", to="shop")
    recorder.unpack(6, "truck", "pallet", by="shop")
    recorder.ship(7, "truck", to="elsewhere")
    trace = trace_forward(recorder.source(), "item")
    assert set(trace.things) == {"item", "case", "pallet", "truck"}
    assert [step.given_to for step in trace.steps] == ["shop"]
    assert trace.leaves[0].step == trace.steps[0]


def test_the_content_of_a_pallet_at_an_instant(recorder: Any) -> None:
    recorder.commission(0, "old", "new")
    recorder.pack(1, "pallet", "old")
    recorder.unpack(3, "pallet", "old")
    recorder.pack(5, "pallet", "new")
    source = recorder.source()
    assert leaves(trace_back(source, "pallet", at=at(2))) == {"old"}
    assert leaves(trace_back(source, "pallet", at=at(4))) == {"pallet"}
    assert leaves(trace_back(source, "pallet", at=at(6))) == {"new"}
    assert leaves(trace_back(source, "pallet")) == {"old", "new"}
    assert leaves(trace_forward(source, "pallet", at=at(2))) == {"old"}


def test_an_attached_part_belongs_to_the_asset(recorder: Any) -> None:
    recorder.commission(0, "engine")
    recorder.record(
        "AssociationEvent", 1, parentID="car", childEPCs=["engine"], action="ADD", bizStep="installing"
    )
    trace = trace_back(recorder.source(), "car")
    assert [edge.how for edge in trace.edges] == ["attached"]
    assert leaves(trace) == {"engine"}


def test_items_lead_to_their_lot_where_it_is_stated(recorder: Any, amount: Any) -> None:
    recorder.commission(0, "beans")
    recorder.record(
        "TransformationEvent",
        10,
        inputEPCList=["beans"],
        outputQuantityList=[amount("urn:epc:class:lgtin:4012345.011111.L7", "10", "KGM")],
    )
    recorder.commission(
        9, "urn:epc:id:sgtin:4012345.011111.1", ilmd={"urn:epcglobal:cbv:mda:lotNumber": "L7"}
    )
    source = recorder.source()
    assert leaves(trace_back(source, "https://id.gs1.org/01/04012345111118/21/1")) == {"beans"}
    assert leaves(trace_forward(source, "beans")) == {"https://id.gs1.org/01/04012345111118/21/1"}


def test_an_item_of_the_same_product_is_not_taken_for_one_of_the_lot(recorder: Any, amount: Any) -> None:
    recorder.record(
        "TransformationEvent",
        10,
        inputEPCList=["beans"],
        outputQuantityList=[amount("urn:epc:class:lgtin:4012345.011111.L7", "10", "KGM")],
    )
    recorder.commission(12, "urn:epc:id:sgtin:4012345.011111.1")
    trace = trace_back(recorder.source(), "urn:epc:id:sgtin:4012345.011111.1")
    assert leaves(trace) == {"https://id.gs1.org/01/04012345111118/21/1"}


def test_a_product_without_lot_is_a_dead_end_and_says_so(recorder: Any, amount: Any) -> None:
    recorder.record(
        "TransformationEvent",
        1,
        inputEPCList=["beans"],
        outputQuantityList=[amount("urn:epc:idpat:sgtin:4012345.011111.*", "9", "KGM")],
    )
    recorder.record(
        "TransformationEvent",
        5,
        inputQuantityList=[amount("urn:epc:idpat:sgtin:4012345.011111.*", "1", "KGM")],
        outputEPCList=["cake"],
    )
    trace = trace_back(recorder.source(), "cake")
    product = "https://id.gs1.org/01/04012345111118"
    assert leaves(trace) == {product}
    assert "product only" in " ".join(u.what for u in trace.unknown if u.thing == product)
    assert trace.edges[0].amount == "1"


def test_an_edge_tells_how_much_went_in(recorder: Any, amount: Any) -> None:
    recorder.record(
        "TransformationEvent",
        1,
        inputQuantityList=[amount("urn:x:lot", "12.50", "KGM")],
        outputEPCList=["cake"],
    )
    edge = trace_back(recorder.source(), "cake").edges[0]
    assert (edge.amount, edge.unit) == ("12.50", "KGM")


def test_an_item_unpacked_though_never_packed_leads_to_its_parent(recorder: Any) -> None:
    recorder.commission(0, "crate")
    recorder.unpack(5, "crate", "item")
    assert leaves(trace_back(recorder.source(), "item")) == {"crate"}


def test_a_thing_of_which_nothing_is_recorded_says_so(recorder: Any) -> None:
    trace = trace_back(recorder.source(), "ghost")
    assert [unknown.what for unknown in trace.unknown] == [
        "no origin is recorded: neither commissioned nor made",
        "nothing is recorded about it",
    ]
    assert trace.complete


def test_a_source_that_nobody_commissioned_says_so(recorder: Any) -> None:
    recorder.transform(1, ["beans"], ["bag"])
    trace = trace_back(recorder.source(), "bag")
    assert "no origin" in whats(trace)["beans"]
    assert trace.leaves[0].step is None


def test_an_event_declared_wrong_is_set_aside_and_its_correction_followed(recorder: Any) -> None:
    wrong: dict[str, Any] = {"inputEPCList": ["bad"], "outputEPCList": ["bag"], "eventID": "urn:x:1"}
    first = recorder.record("TransformationEvent", 1, **wrong)
    declaration = recorder.record(
        "TransformationEvent",
        1,
        **wrong,
        errorDeclaration={
            "declarationTime": "2026-01-02T00:00:00Z",
            "reason": "incorrect_data",
            "correctiveEventIDs": ["urn:x:2"],
        },
    )
    right = recorder.record(
        "TransformationEvent", 1, inputEPCList=["good"], outputEPCList=["bag"], eventID="urn:x:2"
    )
    trace = trace_back(recorder.source(), "bag")
    assert leaves(trace) == {"good"}
    (aside,) = trace.set_aside
    assert (aside.event, aside.declaration, aside.reason) == (first.ref, declaration.ref, "incorrect_data")
    assert aside.corrections == (right.ref,)


def test_attack_another_firm_cannot_declare_an_event_wrong(recorder: Any) -> None:
    event: dict[str, Any] = {"inputEPCList": ["bad"], "outputEPCList": ["bag"]}
    recorder.record("TransformationEvent", 1, by="acme", **event)
    recorder.record(
        "TransformationEvent",
        1,
        by="mallory",
        **event,
        errorDeclaration={"declarationTime": "2026-01-02T00:00:00Z"},
    )
    trace = trace_back(recorder.source(), "bag")
    assert leaves(trace) == {"bad"}
    assert any("mallory" in unknown.what for unknown in trace.unknown)


def test_an_event_recorded_by_both_firms_unpacks_once(recorder: Any) -> None:
    recorder.pack(1, "pallet", "mine")
    recorder.unpack(5, "pallet", "mine", by="acme")
    recorder.unpack(5, "pallet", "mine", by="shop")
    recorder.ship(0, "pallet", to="before")
    assert trace_forward(recorder.source(), "mine").steps == ()


def test_a_thing_met_by_two_ways_is_opened_for_both(recorder: Any) -> None:
    recorder.pack(10, "pallet", "crate", "beans")
    recorder.pack(25, "box", "bag")
    recorder.transform(30, ["beans"], ["crate"])
    recorder.unpack(40, "crate", "bag")
    trace = trace_forward(recorder.source(), "pallet", at=at(20))
    assert "bag" in trace.things


def test_circles_end(recorder: Any) -> None:
    recorder.transform(1, ["a"], ["b"])
    recorder.transform(1, ["b"], ["a"])
    recorder.pack(2, "x", "y")
    recorder.pack(2, "y", "x")
    assert set(trace_back(recorder.source(), "a").things) == {"a", "b"}
    assert set(trace_forward(recorder.source(), "x").things) == {"x", "y"}


def test_a_limit_is_told(recorder: Any) -> None:
    for minute in range(20):
        recorder.transform(minute, [f"t{minute}"], [f"t{minute + 1}"])
    trace = trace_forward(recorder.source(), "t0", limits=Limits(max_visits=5))
    assert not trace.complete
    assert "limit" in whats(trace)["t0"]


def test_a_chain_of_five_thousand_is_walked(recorder: Any) -> None:
    for number in range(5000):
        recorder.transform(number, [f"t{number}"], [f"t{number + 1}"])
    assert leaves(trace_back(recorder.source(), "t5000")) == {"t0"}


def test_a_thousand_nested_boxes_are_no_trouble(recorder: Any) -> None:
    for number in range(1000):
        recorder.pack(number, f"b{number + 1}", f"b{number}")
    trace = trace_forward(recorder.source(), "b0")
    assert len(trace.things) == 1001


def test_an_identifier_is_found_in_either_form(recorder: Any) -> None:
    recorder.commission(0, "urn:epc:id:sscc:4012345.0000000333")
    trace = trace_back(recorder.source(), "https://example.com/00/040123450000003338")
    assert trace.target == "https://id.gs1.org/00/040123450000003338"
    assert trace.steps


def test_the_answer_is_plain_values(recorder: Any) -> None:
    recorder.commission(0, "beans")
    made = recorder.transform(10, ["beans"], ["bag"])
    answer = format_trace(trace_back(recorder.source(), "bag"))
    edges = answer["edges"]
    assert isinstance(edges, list)
    assert edges[0]["time"] == "2026-01-01T00:10:00.000Z"
    assert edges[0]["entries"] == [{"origin": made.origin, "seq": 1, "leaf": made.leaf.hex()}]


things = st.sampled_from(["a", "b", "c", "d", "P", "Q"])
moves = st.one_of(
    st.tuples(st.just("transform"), st.integers(0, 9), things, things),
    st.tuples(st.just("pack"), st.integers(0, 9), things, things),
    st.tuples(st.just("unpack"), st.integers(0, 9), things, things),
    st.tuples(st.just("observe"), st.integers(0, 9), things, things),
)


def replay(recorder: Any, story: list[tuple[str, int, str, str]]) -> None:
    recorder.records.clear()
    for index, (how, minute, one, other) in enumerate(story):
        by = "acme" if index % 2 else "bolt"
        if how == "transform":
            recorder.transform(minute, [one], [other], by=by)
        elif how == "observe":
            recorder.observe(minute, one, by=by)
        elif how == "pack":
            recorder.pack(minute, one, other, by=by)
        else:
            recorder.unpack(minute, one, other, by=by)


@pytest.mark.parametrize("ask", [trace_back, trace_forward])
@given(story=st.lists(moves, max_size=12), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_answer_does_not_depend_on_the_order_of_recording(
    ask: Any, story: list[tuple[str, int, str, str]], seed: int, recorder_class: Any, memory: Any
) -> None:
    recorder = recorder_class()
    replay(recorder, story)
    shuffled = list(recorder.records)
    random.Random(seed).shuffle(shuffled)
    assert ask(memory(recorder.records), "a") == ask(memory(shuffled), "a")


@given(story=st.lists(moves, max_size=12), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_graph_does_not_depend_on_positions_in_the_log(
    story: list[tuple[str, int, str, str]], seed: int, recorder_class: Any
) -> None:
    numbered = list(enumerate(story))
    answers = []
    for order in (numbered, random.Random(seed).sample(numbered, len(numbered))):
        recorder = recorder_class()
        replay(recorder, [move for _, move in order])
        trace = trace_forward(recorder.source(), "a")
        answers.append(
            (trace.things, leaves(trace), {(e.time_ms, e.source, e.target, e.how) for e in trace.edges})
        )
    assert answers[0] == answers[1]


@given(story=st.lists(moves, max_size=12))
@settings(max_examples=60, deadline=None)
def test_making_is_followed_both_ways_alike(
    story: list[tuple[str, int, str, str]], recorder_class: Any
) -> None:
    recorder = recorder_class()
    replay(recorder, [move for move in story if move[0] == "transform"])
    source = recorder.source()
    for one in "abcd":
        for other in set(trace_forward(source, one).things) - {one}:
            assert one in trace_back(source, other).things
