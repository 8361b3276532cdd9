"""EPCIS documents that others wrote, and GS1's JSON Schema as a second opinion on events."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from ledger.errors import MalformedError
from ledger.trace.check import check_capture, check_event
from ledger.trace.document import read_capture, read_event
from ledger.trace.event import things_of, view_event
from ledger.trace.event_hash import event_hash

FOLDERS = {"gs1/examples": 47, "openepcis": 37, "fsma204": 4, "event-hash": 13}
MUTATIONS = 1500
VALUES: list[Any] = [None, 5, "", "x y", "word", "urn:x:y", [], {}, True, ["urn:x:y", "urn:x:y"], [{}]]
VALUES += [{"id": "urn:x:y"}, "2020-02-30T00:00:00Z", "ADD", "OBSERVE", "DELETE"]


def documents(conformance: Path, folder: str) -> list[Path]:
    root = conformance / "epcis" / folder
    return sorted(path for path in root.rglob("*.json*") if path.suffix in (".json", ".jsonld"))


@pytest.mark.parametrize(("folder", "count"), FOLDERS.items())
def test_every_document_is_accepted(conformance: Path, folder: str, count: int) -> None:
    paths = documents(conformance, folder)
    assert len(paths) == count
    for path in paths:
        capture = read_capture(path.read_bytes(), where=path.name)
        assert capture.events
        check_capture(capture)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_event_is_given_back_byte_for_byte(conformance: Path, folder: str) -> None:
    for path in documents(conformance, folder):
        data = path.read_bytes()
        capture = read_capture(data)
        rest = data
        for event in capture.events:
            before, found, rest = rest.partition(event.text)
            assert found
            assert before.strip()
            assert read_event(event.text).value == event.value
        # Cut out, the events leave a document with an empty list of as many places.
        hollow = data
        for event in capture.events:
            hollow = hollow.replace(event.text, b"null", 1)
        assert json.dumps(json.loads(hollow)).count("null") >= len(capture.events)
        assert json.loads(capture.context) == json.loads(data)["@context"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_event_has_a_hash_and_a_view(conformance: Path, folder: str) -> None:
    for path in documents(conformance, folder):
        capture = read_capture(path.read_bytes())
        for event in capture.events:
            digest = event_hash(event.value, capture.context, capture.ignored_fields)
            view = view_event(event.value, context=capture.context, digest=digest)
            assert view.type == event.value["type"]
            # A sensor may report about a place alone.
            assert list(things_of(view)) or "sensorElementList" in event.value


def schema_validator(conformance: Path) -> Draft7Validator:
    schema = json.loads((conformance / "epcis" / "gs1" / "EPCIS-JSON-Schema.json").read_bytes())
    formats = FormatChecker(formats=())
    uri = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20<>\"{}|\\^`\x7f]+")
    instant = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
    formats.checks("uri")(lambda value: not isinstance(value, str) or bool(uri.fullmatch(value)))
    formats.checks("date-time")(lambda value: not isinstance(value, str) or bool(instant.fullmatch(value)))
    return Draft7Validator(
        {"$ref": "#/definitions/EPCIS-Document-Event", "definitions": schema["definitions"]},
        format_checker=formats,
    )


def steps_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in pairs:
        yield (*path, step)
        yield from steps_in(item, (*path, step))


def mutate(event: Any, path: tuple[Any, ...], change: Any) -> Any:
    event = copy.deepcopy(event)
    holder = event
    for step in path[:-1]:
        holder = holder[step]
    if change == "drop":
        del holder[path[-1]]
    elif change == "rename" and isinstance(holder, dict):
        holder[f"{path[-1]}x"] = holder.pop(path[-1])
    elif change == "extend" and isinstance(holder, dict):
        holder["ext:field"] = 1
    else:
        holder[path[-1]] = change
    return event


# Where we differ from the schema on purpose; ledger.trace.rules says why.
NAMES = {"epcList", "epcClass", "id", "childEPCs", "parentID", "source", "destination", "bizTransaction"}
NAMES |= {"inputEPCList", "outputEPCList"}


def differs_on_purpose(path: tuple[Any, ...], change: Any) -> bool:
    field = next(step for step in reversed(path) if isinstance(step, str))
    firm_local = field in NAMES and isinstance(change, str)
    no_such_day = change == "2020-02-30T00:00:00Z"
    new_measurement = path[-3:-2] == ("sensorReport",) and field == "type" and isinstance(change, str)
    return firm_local or no_such_day or new_measurement


def test_the_check_agrees_with_the_schema_on_mutated_events(conformance: Path) -> None:
    validator = schema_validator(conformance)
    events = []
    for document in documents(conformance, "gs1/examples"):
        events += [json.loads(event.text) for event in read_capture(document.read_bytes()).events]
    changes = ["drop", "rename", "extend", *VALUES]
    cases = [(event, path, change) for event in events for path in steps_in(event) for change in changes]
    disagreements = []
    for event, path, change in random.Random(20260501).sample(cases, MUTATIONS):
        mutated = mutate(event, path, change)
        try:
            check_event(read_event(json.dumps(mutated).encode()).value)
            accepted = True
        except MalformedError:
            accepted = False
        if accepted != validator.is_valid(mutated) and not differs_on_purpose(path, change):
            disagreements.append((accepted, path, change))
    assert disagreements == []
