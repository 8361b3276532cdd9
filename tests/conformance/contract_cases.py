"""The clauses of the conformance cases as scenes: a document of ours, what is said when, what came of it.

`contract_play.py` plays a `Scene` in the evaluator alone, `test_contract_cases_on_nodes.py` over nodes.
`SCENES` has a maker for every clause; one that does not read every key of a case is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from contracts.agreement import Agreement
from contracts.decision import OPEN, Evaluation
from contracts.document import PERMISSION, TERMINATE
from contracts.explain import explain

DOCUMENTS = Path(__file__).parent.parent / "contracts" / "documents" / "cases"

RESULTS = ("penalty", "may_terminate", "state", "price", "due", "bound_to", "result")
"""The keys of a case that tell what comes of it."""
REMARKS = ("note",)

Case: TypeAlias = Mapping[str, Any]
Read: TypeAlias = Callable[[Agreement, Evaluation], Mapping[str, str]]

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A fact that an organization states at an instant, and who confirms it. `refusal`: why it is refused."""

    at: datetime
    by: str
    name: str
    fields: Mapping[str, str]
    confirmed_by: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One case: `begin` is when it is signed, `end` the last tick. `refusal`: why its document is refused."""

    case: Case
    text: bytes
    begin: datetime
    said: tuple[Said, ...]
    end: datetime
    read: Read
    refusal: str = ""

    @property
    def expected(self) -> dict[str, str]:
        """What the case says that comes of it."""
        return {key: value for key, value in self.case.items() if key in RESULTS}

    @property
    def rejected(self) -> bool:
        """Whether the case is that something is refused."""
        return self.case.get("result") == "reject"


def read_cases(conformance: Path) -> dict[str, Any]:
    """Every clause with its cases, all scalars as text."""
    text = (conformance / "contracts" / "cases.yaml").read_bytes()
    loaded: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)
    return loaded


def scenes_of(clause: str, told: Mapping[str, Any]) -> list[Scene]:
    """The scenes of one clause, each with a reference of its own."""
    make = SCENES[clause]
    scenes = []
    for number, case in enumerate(told["cases"]):
        read = _Case(case)
        scene = make(read, told, f"no-{number}")
        unread = case.keys() - read.seen - set(RESULTS) - set(REMARKS)
        if unread:
            raise KeyError(f"{clause} case {number}: {unread} was not told")
        scenes.append(scene)
    return scenes


class _Case(dict[str, Any]):
    """A case that knows which of its keys were read."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        super().__init__(case)
        self.seen: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.seen.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)


def document(clause: str, **params: str) -> bytes:
    """The document of a clause with these values in place of its own."""
    text = (DOCUMENTS / f"{clause}.yaml").read_text("utf-8")
    for name, value in params.items():
        text, found = re.subn(rf"(?m)^(  {name}: {{\w+: )[^}}]*}}$", rf'\g<1>"{value}"}}', text)
        assert found == 1, f"{clause} has no param {name}"
    return text.encode()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


# Late delivery


def late_delivery(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    return _late("late-delivery", case, told, reference)


def late_from_delivery_date(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    return _late("late-delivery-from-delivery-date", case, told, reference)


def late_in_another_currency(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    clause = "late-delivery-paid-in-another-currency"
    if change := case.get("document"):
        assert change == "adds EUR to USD"
        text = document(clause).replace(
            b"amount: money(round(euros * quoted.dollars, 2, half_up), USD)",
            b"amount: value + money(quoted.dollars * euros, USD)",
        )
        agreed = instant(told["agreed"])
        return Scene(
            case=case,
            text=text,
            begin=agreed,
            said=(),
            end=agreed,
            read=_read_late,
            refusal=r"EUR \+ USD, expected one currency",
        )
    return _late(clause, case, told, reference)


def _late(clause: str, case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    agreed = instant(told["agreed"])
    end = instant(case["tick"]) if case.get("tick") else agreed + 30 * DAY
    said = []
    if case["delivered"] != "null":
        delivered = instant(case["delivered"])
        said.append(Said(at=delivered, by="dart", name="delivered", fields={}))
    if case.get("force_majeure"):
        confirmed = {"confirmed by buyer": ("bolt",), "claimed by seller only": ()}[case["force_majeure"]]
        said.append(Said(at=agreed + DAY, by="acme", name="force_majeure", fields={}, confirmed_by=confirmed))
    if case.get("rate") and case["rate"] != "none recorded":
        said.append(Said(at=end, by="mint", name="quoted", fields={"dollars": case["rate"]}))
    return Scene(
        case=case,
        text=document(clause, reference=reference, value=told["value"], agreed=told["agreed"]),
        begin=min([agreed, *(one.at for one in said)]) - DAY,
        said=tuple(sorted(said, key=lambda one: one.at)),
        end=end,
        read=_read_late,
    )


def _read_late(agreement: Agreement, evaluation: Evaluation) -> Mapping[str, str]:
    dues = [due.amount for due in evaluation.dues if (due.payer, due.payee) == ("acme", "bolt")]
    missing = explain(agreement, "penalty").missing
    if evaluation.state == "nothing_due":
        assert not dues
        penalty = "0.00 USD"
    elif "quoted: not stated; mint (bank) may state it" in missing:
        assert not dues
        penalty = "undecided until a rate is recorded"
    else:
        (penalty,) = dues
    may = any(
        (made.duty, made.of, made.act, made.standing) == (PERMISSION, "bolt", TERMINATE, OPEN)
        for made in evaluation.obligations
    )
    return {"penalty": penalty, "may_terminate": "true" if may else "false"}


# Acceptance


def acceptance(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    received, answer = instant(case["received"]), case["inspected"]
    late = case["state"] == "inspection period over"
    return Scene(
        case=case,
        text=document("acceptance-of-delivery", reference=reference),
        begin=received - DAY,
        said=(
            Said(at=received, by="bolt", name="received", fields={}),
            Said(
                at=instant(answer["at"]),
                by="bolt",
                name="inspected",
                fields={"passed": answer["passed"]},
                refusal="counted after period had closed" if late else "",
            ),
        ),
        end=instant(answer["at"]) + 30 * DAY,
        read=_read_acceptance,
    )


def _read_acceptance(agreement: Agreement, evaluation: Evaluation) -> Mapping[str, str]:
    (duty,) = evaluation.obligations
    state = str(evaluation.state).replace("_", " ")
    assert (duty.standing == "met") == (state == "accepted")
    return {"state": state}


# Perishable goods


def perishable(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    begin = instant("2019-06-01T00:00:00Z")
    readings = tuple(
        Said(
            at=begin + DAY * (number + 1),
            by="dart",
            name="reading",
            fields={"celsius": celsius, "humidity": humidity},
        )
        for number, (celsius, humidity) in enumerate(case["readings"])
    )
    refusal = ""
    if case.get("result") == "reject":
        refusal = "at least 3000" if readings else r"did not hold: count\(reading\) > 0"
    arrival = Said(
        at=begin + 10 * DAY, by="dart", name="arrived", fields={"kilograms": case["kg"]}, refusal=refusal
    )
    return Scene(
        case=case,
        text=document("perishable-goods", reference=reference),
        begin=begin,
        said=(*readings, arrival),
        end=begin + 20 * DAY,
        read=lambda agreement, evaluation: {"price": _only_due(evaluation, "bolt", "acme")},
    )


def _only_due(evaluation: Evaluation, payer: str, payee: str) -> str:
    (due,) = evaluation.dues
    assert (due.payer, due.payee) == (payer, payee)
    return due.amount


# Payment


def payment_upon_delivery(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    begin = instant("2019-06-01T00:00:00Z")
    said = [Said(at=begin + DAY, by="acme", name="delivered", fields={})]
    if case.get("accepted") == "true":
        said.append(Said(at=begin + 2 * DAY, by="bolt", name="accepted", fields={}))
    return Scene(
        case=case,
        text=document("payment-upon-delivery", goods=case["goods"], fee=case["fee"]),
        begin=begin,
        said=tuple(said),
        end=begin + 3 * DAY,
        read=lambda agreement, evaluation: {"due": _only_due(evaluation, "bolt", "acme")},
        refusal=r"USD \+ EUR, expected one currency" if case.get("result") == "reject" else "",
    )


def payment_upon_demand(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    begin = instant("2019-06-01T00:00:00Z")
    said = []
    for number, name in enumerate(case["facts"]):
        refusal = ""
        if name in case["facts"][:number]:
            refusal = "1 of demand count already"
        elif case.get("result") == "reject":
            refusal = r"did not hold: exists\(demand\)"
        said.append(
            Said(
                at=begin + DAY * (number + 1),
                by={"demand": "acme", "paid": "bolt"}[name],
                name=name,
                fields={},
                confirmed_by=("acme",) if name == "paid" else (),
                refusal=refusal,
            )
        )
    return Scene(
        case=case,
        text=document("payment-upon-demand", reference=reference),
        begin=begin,
        said=tuple(said),
        end=begin + 10 * DAY,
        read=_read_demand,
    )


def _read_demand(agreement: Agreement, evaluation: Evaluation) -> Mapping[str, str]:
    due = _only_due(evaluation, "bolt", "acme")
    assert (evaluation.dues[0].standing == "met") == (evaluation.state == "completed")
    return {"due": due, "state": str(evaluation.state)}


# Supply


def supply(case: Case, told: Mapping[str, Any], reference: str) -> Scene:
    monday = instant("2019-03-04T09:00:00Z")
    return Scene(
        case=case,
        text=document("supply-agreement", reference=reference),
        begin=monday - DAY,
        said=tuple(_supplied(case, monday)),
        end=monday + 7 * DAY,
        read=_read_supply,
    )


def _supplied(case: Case, monday: datetime) -> Iterator[Said]:
    if case.get("forecast"):
        yield Said(
            at=monday,
            by="bolt",
            name="forecast",
            fields={"quarter": "2019-Q1", "quantity": case["forecast"]},
        )
        return
    delivered, order = case.get("delivered"), {"order": "A1"}
    for pieces, price in case["order"]:
        fields = {**order, "quarter": "2019-Q1", "pieces": pieces, "price": price}
        yield Said(at=monday, by="bolt", name="line", fields=fields)
    yield Said(at=monday, by="bolt", name="ordered", fields=order)
    if answered := case.get("answered"):
        assert answered == "none for 2 business days"
        return
    yield Said(at=monday + DAY, by="acme", name="answered", fields={**order, "accepted": "true"})
    assert delivered == "all"
    yield Said(at=monday + 2 * DAY, by="acme", name="delivered", fields=order)
    accepted = {**order, "accepted": case["accepted"]}
    yield Said(at=monday + 3 * DAY, by="bolt", name="inspected", fields=accepted)


def _read_supply(agreement: Agreement, evaluation: Evaluation) -> Mapping[str, str]:
    bound = [str(made.amount) for made in evaluation.obligations if made.act == "buy"]
    return {
        "bound_to": bound[0] if bound else "none",
        "due": _only_due(evaluation, "bolt", "acme") if evaluation.dues else "none",
        "state": str(evaluation.state).replace("_", " "),
    }


SCENES: Mapping[str, Callable[[Case, Mapping[str, Any], str], Scene]] = {
    "late-delivery": late_delivery,
    "late-delivery-from-delivery-date": late_from_delivery_date,
    "late-delivery-paid-in-another-currency": late_in_another_currency,
    "acceptance-of-delivery": acceptance,
    "perishable-goods": perishable,
    "payment-upon-delivery": payment_upon_delivery,
    "payment-upon-demand": payment_upon_demand,
    "supply-agreement": supply,
}
