"""Corrections: effects of a decision replaced by those whom the change disfavours.

A `correction` names a decision by its hash and gives the effects that are to stand in place of its own; it
may say them without what was wrong, which reverses that. It stands from the moment at which statements
with the same decision and effects, each signed by a person, are counted from every organization that it
disfavours: whose balance of amounts due becomes less in some currency. Where anything but amounts changes
(who owes whom, until when, other effects), or nobody's balance becomes less, all parties must sign.
A later correction of the same decision is held against what stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contracts.contract import Contract
from contracts.document import DUTY, PERMISSION, PROHIBITION
from contracts.effects import EffectMap
from contracts.evaluator import Firing
from contracts.facts_known import Moment
from contracts.hashes import hash_of_firing, outcome_hash
from contracts.limits import MAX_EFFECTS
from contracts.records import Position, Record
from contracts.values import CONTEXT, ZERO, Money, parse_value
from ledger.errors import InvalidError, MalformedError, MissingError, TallyError, short

_FORMS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "due": (frozenset(("amount", "by", "from", "to")), frozenset(("as",))),
    "obligation": (frozenset(("act", "duty", "of")), frozenset(("amount", "by", "survives", "to"))),
    "discharge": (frozenset(("name",)), frozenset()),
    "state": (frozenset(("state",)), frozenset()),
    "confirm": (frozenset(("fact", "of")), frozenset()),
    "notify": (frozenset(("roles",)), frozenset()),
}
_ROLES = ("from", "to", "of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What stands in place of a decision's effects, since when, and the entries that it rests on."""

    effects: tuple[EffectMap, ...]
    moment: Moment
    positions: tuple[Position, ...]
    organizations: tuple[str, ...]
    text: str


class Corrections:
    """The corrections of one agreement so far."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.standing: dict[bytes, Correction] = {}
        self._said: dict[tuple[bytes, bytes], dict[str, Record]] = {}
        self._counted: dict[bytes, Position] = {}
        self._firings: dict[bytes, Firing] = {}
        self._seen = 0

    def find(self, decision: bytes, firings: Sequence[Firing]) -> Firing:
        """The firing that a decision's hash names.

        Raises:
            MissingError: there is none.
        """
        for firing in firings[self._seen :]:
            self._firings[hash_of_firing(self.contract.agreement, firing)] = firing
        self._seen = len(firings)
        if decision not in self._firings:
            raise MissingError(
                "correction", found=f"the decision {short(decision)}", expected="a decision of this agreement"
            )
        return self._firings[decision]

    def effects_of(self, decision: bytes, firing: Firing) -> tuple[EffectMap, ...]:
        """The effects of a decision that stand."""
        corrected = self.standing.get(decision)
        return firing.effects if corrected is None else corrected.effects

    def count(self, record: Record, moment: Moment, firings: Sequence[Firing]) -> None:
        """Count a correction; it stands once all whom it disfavours have said the same.

        Raises:
            TallyError: no such decision, or effects that have not their form.
        """
        decision = record.body["decision"]
        standing = self.effects_of(decision, self.find(decision, firings))
        effects = check_effects(self.contract, record.body["effects"])
        said = self._said.setdefault((decision, outcome_hash(effects)), {})
        said.setdefault(record.organization, record)
        self._counted[record.leaf_hash] = moment.position
        needed = must_sign(self.contract, standing, effects)
        if needed <= said.keys():
            named = [said[organization] for organization in sorted(needed)]
            self.standing[decision] = Correction(
                effects=effects,
                moment=moment,
                positions=tuple(p for r in named for p in (r.position, self._counted[r.leaf_hash])),
                organizations=tuple(sorted(needed)),
                text=record.body["text"],
            )
            said.clear()


def must_sign(
    contract: Contract, standing: Sequence[EffectMap], effects: Sequence[EffectMap]
) -> frozenset[str]:
    """The organizations whose people must sign that effects are replaced."""
    parties = contract.document.parties
    if [_but_amount(effect) for effect in standing] != [_but_amount(effect) for effect in effects]:
        return frozenset(parties.values())
    before, after = _balances(parties, standing), _balances(parties, effects)
    worse = {name for name, currency in before.keys() | after.keys()
             if after.get((name, currency), ZERO) < before.get((name, currency), ZERO)}  # fmt: skip
    return frozenset(worse or parties.values())


def _but_amount(effect: EffectMap) -> EffectMap:
    if effect["kind"] != "due":
        return effect
    return {key: value for key, value in effect.items() if key != "amount"}


def _balances(parties: Mapping[str, str], effects: Sequence[EffectMap]) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    for effect in effects:
        if effect["kind"] == "due":
            money = _money(effect["amount"])
            for role, amount in ((effect["from"], -money.amount), (effect["to"], money.amount)):
                at = parties[str(role)], money.currency
                found[at] = CONTEXT.add(found.get(at, ZERO), amount)
    return found


def _money(text: object) -> Money:
    value = parse_value("money", str(text), "correction amount")
    if not isinstance(value, Money):
        raise MalformedError("correction amount", found=short(text), expected="an amount of money")
    return value


def check_effects(contract: Contract, effects: Sequence[Mapping[str, Any]]) -> tuple[EffectMap, ...]:
    """The effects of a correction, each in the form that a firing gives it.

    Raises:
        TallyError: another form, a role that does not exist, or an amount below zero.
    """
    if len(effects) > MAX_EFFECTS:
        raise InvalidError("correction", found=f"{len(effects)} effects", expected=f"at most {MAX_EFFECTS}")
    return tuple(_checked(contract, effect, f"correction effects[{i}]") for i, effect in enumerate(effects))


def _checked(contract: Contract, effect: Mapping[str, Any], where: str) -> EffectMap:
    kind = effect.get("kind")
    form = _FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        raise MalformedError(where, found=f"the kind {short(kind)}", expected=f"one of {', '.join(_FORMS)}")
    needed, more = form
    given = effect.keys() - {"kind"}
    if not needed <= given <= needed | more:
        expected = f"exactly {', '.join(sorted(needed))}" + (
            f", perhaps {', '.join(sorted(more))}" if more else ""
        )
        raise MalformedError(where, found=f"keys {', '.join(sorted(given)) or 'none'}", expected=expected)
    for key, value in effect.items():
        texts = value if key == "roles" and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise MalformedError(f"{where} {key}", found=short(value), expected="text")
    roles = effect["roles"] if kind == "notify" else [effect[key] for key in _ROLES if key in effect]
    for role in roles:
        if role not in contract.document.parties:
            raise InvalidError(
                f"{where}", found=f"the role {short(role)}", expected="a party of the contract"
            )
    _check_values(effect, where)
    return dict(sorted(effect.items()))


def _check_values(effect: Mapping[str, Any], where: str) -> None:
    if effect["kind"] == "due" and _money(effect["amount"]).amount < 0:
        raise InvalidError(where, found=effect["amount"], expected="an amount of zero or more")
    if "by" in effect:
        _check_time(effect["by"], where)
    if effect["kind"] == "obligation" and effect["duty"] not in (DUTY, PERMISSION, PROHIBITION):
        raise InvalidError(where, found=short(effect["duty"]), expected="duty, permission or prohibition")


def _check_time(text: str, where: str) -> None:
    try:
        parse_value("instant", text, where)
    except TallyError:
        parse_value("date", text, where)
