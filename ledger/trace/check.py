"""The form of EPCIS 2.0 documents and events: all five event types, and events of one's own type.

`check_capture` and `check_event` return nothing or raise `MalformedError` with the path of the first
fault, what was expected and found there, and what to do. The rules themselves are in `ledger.trace.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.errors import MalformedError
from ledger.trace import rules
from ledger.trace.document import BARE_EVENT, QUERY_DOCUMENT, Capture, CapturedEvent
from ledger.trace.json_text import JsonValue
from ledger.trace.rules import Problem, Rule
from ledger.trace.vocabulary import ACTIONS

_COMMON: Final[dict[str, Rule]] = {
    "@context": rules.context,
    "type": rules.text,
    "eventTime": rules.instant,
    "recordTime": rules.instant,
    "eventTimeZoneOffset": rules.matching(
        r"[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00)", "an offset between -14:00 and +14:00, as +02:00"
    ),
    "eventID": rules.uri,
    "certificationInfo": rules.either(
        (str, rules.uri), (list, rules.items(rules.uri)), expected="a URI or an array of URIs"
    ),
    "errorDeclaration": rules.error_declaration,
}
_WHY_AND_WHERE: Final[dict[str, Rule]] = {
    "bizStep": rules.biz_step,
    "disposition": rules.disposition,
    "readPoint": rules.place,
    "bizLocation": rules.place,
    "bizTransactionList": rules.items(rules.transaction),
    "sourceList": rules.items(rules.source),
    "destinationList": rules.items(rules.destination),
    "sensorElementList": rules.items(rules.sensor_element),
    "persistentDisposition": rules.persistent_disposition,
}
_ACTION: Final[dict[str, Rule]] = {"action": rules.one_of(ACTIONS)}
_MASTER_DATA: Final[dict[str, Rule]] = {"ilmd": rules.ilmd}
_MEMBERS: Final[dict[str, Rule]] = {
    "parentID": rules.name,
    "childEPCs": rules.names,
    "childQuantityList": rules.quantity_list,
}
_INPUTS_AND_OUTPUTS: Final[dict[str, Rule]] = {
    "inputEPCList": rules.epc_list,
    "inputQuantityList": rules.quantity_list,
    "outputEPCList": rules.epc_list,
    "outputQuantityList": rules.quantity_list,
    "transformationID": rules.uri,
}
_THINGS: Final[dict[str, Rule]] = {"quantityList": rules.quantity_list}
_ALWAYS: Final = ("type", "eventTime", "eventTimeZoneOffset")

_OBJECT: Final = _COMMON | _WHY_AND_WHERE | _ACTION | _MASTER_DATA | _THINGS | {"epcList": rules.epc_list}
_MEMBERSHIP: Final = _COMMON | _WHY_AND_WHERE | _ACTION | _MEMBERS
_TRANSACTION: Final = (
    _COMMON
    | _WHY_AND_WHERE
    | _ACTION
    | _THINGS
    | {
        "parentID": rules.name,
        "epcList": rules.names,
        "bizTransactionList": rules.items(rules.transaction, at_least=1),
    }
)
_TRANSFORMATION: Final = _COMMON | _WHY_AND_WHERE | _MASTER_DATA | _INPUTS_AND_OUTPUTS

_TYPES: Final[dict[str, Rule]] = {
    "ObjectEvent": rules.fields(_OBJECT, required=(*_ALWAYS, "action")),
    "AggregationEvent": rules.fields(_MEMBERSHIP, required=(*_ALWAYS, "action")),
    "AssociationEvent": rules.fields(_MEMBERSHIP, required=(*_ALWAYS, "action", "parentID")),
    "TransactionEvent": rules.fields(_TRANSACTION, required=(*_ALWAYS, "action", "bizTransactionList")),
    "TransformationEvent": rules.fields(_TRANSFORMATION, required=_ALWAYS),
}
_EXTENSION_EVENT: Final = rules.fields(
    _OBJECT | _MEMBERSHIP | _INPUTS_AND_OUTPUTS | {"epcList": rules.names}, required=_ALWAYS, any_name=True
)

_HEADER: Final = rules.fields(
    {
        "epcisMasterData": rules.fields(
            {
                "vocabularyList": rules.items(
                    rules.fields(
                        {
                            "type": rules.uri,
                            "vocabularyElementList": rules.items(
                                rules.fields(
                                    {
                                        "id": rules.uri,
                                        "attributes": rules.items(
                                            rules.fields({"id": rules.uri}, required=("id",), any_name=True)
                                        ),
                                        "children": rules.items(rules.uri),
                                    },
                                    required=("id",),
                                    any_name=True,
                                )
                            ),
                        },
                        required=("type",),
                        any_name=True,
                    )
                )
            },
            any_name=True,
        )
    }
)
_ENVELOPE: Final[dict[str, Rule]] = {
    "@context": rules.context,
    "id": rules.uri,
    "type": rules.one_of(frozenset({"EPCISDocument", "EPCISQueryDocument"})),
    "schemaVersion": rules.matching(r"\d+(?:\.\d+)*", "a version, as 2.0"),
    "creationDate": rules.instant,
}
# The events themselves are not in the envelope: each is checked on its own.
_EVENT_LIST: Final = rules.items(rules.anything)
_EVENT_FIELDS: Final = frozenset({"eventList", "event"})
_DOCUMENT: Final = rules.fields(
    _ENVELOPE
    | {
        "instanceIdentifier": rules.text,
        "sender": rules.text,
        "receiver": rules.text,
        "epcisHeader": _HEADER,
        "epcisBody": rules.fields({"eventList": _EVENT_LIST, "event": rules.any_object}, any_name=True),
    },
    required=("@context", "type", "schemaVersion", "creationDate", "epcisBody"),
)
_RESULTS: Final = rules.fields(
    {
        "queryName": rules.text,
        "subscriptionID": rules.text,
        "resultsBody": rules.fields(
            {"eventList": _EVENT_LIST, "vocabularyList": rules.items(rules.any_object)},
            required=("eventList",),
        ),
    },
    required=("queryName", "resultsBody"),
)
_QUERY_DOCUMENT: Final = rules.fields(
    _ENVELOPE | {"epcisBody": rules.fields({"queryResults": _RESULTS}, required=("queryResults",))},
    required=("@context", "type", "epcisBody"),
)


def check_capture(capture: Capture) -> None:
    """Check the document's envelope and every event in it."""
    if capture.shape == BARE_EVENT:
        event = capture.events[0]
        check_event(event.value)
        if "@context" not in event.value:
            raise MalformedError(
                "@context",
                found="no such field",
                expected="the context of the event's terms",
                action='add "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"',
            )
        return
    _check(_QUERY_DOCUMENT if capture.shape == QUERY_DOCUMENT else _DOCUMENT, capture.envelope, "")
    body = capture.envelope["epcisBody"]
    if capture.shape != QUERY_DOCUMENT and isinstance(body, dict) and not _EVENT_FIELDS & body.keys():
        raise MalformedError(
            "epcisBody.eventList",
            found="no such field",
            expected="an array of events",
            action="add eventList",
        )
    for event in capture.events:
        check_captured_event(event)


def check_captured_event(event: CapturedEvent) -> None:
    """Check one event of a document; messages name its place there."""
    check_event(event.value, where=event.place)


def check_event(event: Mapping[str, JsonValue], *, where: str = "") -> None:
    """Check one event's fields, and that those are there together which its type needs."""
    kind = event.get("type")
    if not isinstance(kind, str):
        raise MalformedError(
            f"{where}.type" if where else "type",
            found=rules.kind_of(kind) if "type" in event else "no such field",
            expected="ObjectEvent, AggregationEvent, TransactionEvent, TransformationEvent, AssociationEvent",
            action="say what type of event it is",
        )
    rule = _TYPES.get(kind)
    if rule is None:
        _check(_extension_event, dict(event), where)
    else:
        _check(rule, event if isinstance(event, dict) else dict(event), where)
        _TOGETHER[kind](event, where)


def _extension_event(value: JsonValue) -> None:
    if isinstance(value, dict):
        try:
            rules.uri(value["type"])
        except Problem as problem:
            problem.expected = "an event type of the standard, or a URI for an own one"
            problem.action = "check the spelling of the type"
            problem.steps.append("type")
            raise
    _EXTENSION_EVENT(value)


def _check(rule: Rule, value: JsonValue, where: str) -> None:
    try:
        rule(value)
    except Problem as problem:
        path = problem.path()
        place = f"{where}.{path}" if where and path else where or path or "event"
        raise MalformedError(
            place, found=problem.found, expected=problem.expected, action=problem.action
        ) from None


def _need(held: bool, where: str, found: str, expected: str, action: str) -> None:
    if not held:
        raise MalformedError(where or "event", found=found, expected=expected, action=action)


def _check_object(event: Mapping[str, JsonValue], where: str) -> None:
    sensed = event.get("sensorElementList") and "readPoint" in event
    _need(
        "epcList" in event or bool(event.get("quantityList")) or bool(sensed),
        where,
        "no epcList and no quantityList",
        "what the event is about",
        "add epcList or quantityList, or a sensorElementList with a readPoint",
    )
    _need(
        "ilmd" not in event or event["action"] == "ADD",
        f"{where}.ilmd" if where else "ilmd",
        f"ilmd with action {event['action']}",
        "ilmd only with action ADD",
        "master data of a lot or item is told when it is commissioned",
    )


def _check_membership(event: Mapping[str, JsonValue], where: str) -> None:
    _need(
        bool(event.get("childEPCs")) or bool(event.get("childQuantityList")) or event["action"] == "DELETE",
        where,
        "no childEPCs and no childQuantityList",
        "what was put in, unless the action is DELETE",
        "add childEPCs or childQuantityList",
    )


def _check_transaction(event: Mapping[str, JsonValue], where: str) -> None:
    _need(
        "epcList" in event or bool(event.get("quantityList")) or event["action"] == "DELETE",
        where,
        "no epcList and no quantityList",
        "what the transaction is about, unless the action is DELETE",
        "add epcList or quantityList",
    )


def _check_transformation(event: Mapping[str, JsonValue], where: str) -> None:
    inputs = bool(event.get("inputEPCList")) or bool(event.get("inputQuantityList"))
    outputs = bool(event.get("outputEPCList")) or bool(event.get("outputQuantityList"))
    linked = "transformationID" in event
    _need(
        (inputs and outputs) or (linked and (inputs or outputs)),
        where,
        "no inputs" if not inputs else "no outputs",
        "inputs and outputs, or one of them with a transformationID",
        "add inputEPCList or inputQuantityList, and outputEPCList or outputQuantityList",
    )


_TOGETHER: Final = {
    "ObjectEvent": _check_object,
    "AggregationEvent": _check_membership,
    "AssociationEvent": _check_membership,
    "TransactionEvent": _check_transaction,
    "TransformationEvent": _check_transformation,
}
