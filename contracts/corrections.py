"""Corrections: effects of a decision replaced by those whom the change disfavours.

A `correction` names a decision by its hash and gives the effects that are to stand in place of its own; it
may say them without what was wrong, which reverses that. It stands from the moment at which statements
with the same decision and effects, each signed by a person, are counted from every organization that it
disfavours: who has to pay more of some amount due, or is to get less of one. Each amount is held against the
one in its place, since one of two may be paid already, or be payable later. If anything but amounts changes
(who owes whom, until when, other effects), or no amount does, all parties must sign.

A later correction of the same decision is held against what stands. Until one stands, only the last that each
organization said counts; what was said before one stood counts for none after it, so that nobody takes up an
old offer when others have agreed on something else since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.contract import Contract
from contracts.document import DUTY, PERMISSION, PROHIBITION, TERMINATE
from contracts.effects import EffectMap
from contracts.evaluator import Firing
from contracts.facts_known import Moment
from contracts.hashes import hash_of_firing, outcome_hash
from contracts.limits import MAX_EFFECTS, NAME
from contracts.records import Position, Record
from contracts.values import Money, parse_value
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
_NAMES = frozenset(("act", "as", "fact", "name", "state"))


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
        self._said: dict[bytes, dict[str, tuple[bytes, Record]]] = {}
        """By decision and organization: the last that it said, with the hash of those effects."""
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

    def all_standing(self) -> Iterator[tuple[Firing, tuple[EffectMap, ...]]]:
        """Every firing so far with its effects that stand."""
        return ((firing, self.effects_of(decision, firing)) for decision, firing in self._firings.items())

    def waits(self, record: Record) -> bool:
        """Whether a correction that was counted stands ready, until others have said the same."""
        said = self._said.get(record.body["decision"], {}).get(record.organization)
        return said is not None and said[1] is record

    def count(self, record: Record, moment: Moment, firings: Sequence[Firing]) -> bool:
        """Count a correction; it stands once all whom it disfavours have said the same.

        Gives whether it now stands and may change who may end the agreement.

        Raises:
            TallyError: no such decision, or effects that have not their form.
        """
        decision = record.body["decision"]
        standing = self.effects_of(decision, self.find(decision, firings))
        effects = check_effects(self.contract, record.body["effects"])
        outcome = outcome_hash(effects)
        said = self._said.setdefault(decision, {})
        said[record.organization] = outcome, record
        self._counted[record.leaf_hash] = moment.position
        needed = must_sign(self.contract, standing, effects)
        named = [said[name][1] for name in sorted(needed) if name in said and said[name][0] == outcome]
        if len(named) < len(needed):
            return False
        self.standing[decision] = Correction(
            effects=effects,
            moment=moment,
            positions=tuple(p for r in named for p in (r.position, self._counted[r.leaf_hash])),
            organizations=tuple(sorted(needed)),
            text=record.body["text"],
        )
        del self._said[decision]
        return any(TERMINATE in (effect.get("act"), effect.get("name")) for effect in (*standing, *effects))


def must_sign(
    contract: Contract, standing: Sequence[EffectMap], effects: Sequence[EffectMap]
) -> frozenset[str]:
    """The organizations whose people must sign that effects are replaced."""
    parties = contract.document.parties
    if [_but_amount(effect) for effect in standing] != [_but_amount(effect) for effect in effects]:
        return frozenset(parties.values())
    worse: set[str] = set()
    for before, after in zip(standing, effects, strict=True):
        if before["kind"] == "due":
            old, new = _money(before["amount"]), _money(after["amount"])
            other = old.currency != new.currency
            worse |= {parties[str(before["from"])]} if other or new.amount > old.amount else set()
            worse |= {parties[str(before["to"])]} if other or new.amount < old.amount else set()
    return frozenset(worse or parties.values())


def _but_amount(effect: EffectMap) -> EffectMap:
    if effect["kind"] != "due":
        return effect
    return {key: value for key, value in effect.items() if key != "amount"}


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
        texts = value if key == "roles" else [value]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
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
    for key in _NAMES & effect.keys():
        if not NAME.fullmatch(effect[key]):
            raise MalformedError(f"{where} {key}", found=short(effect[key]), expected="a name")
    if effect.get("survives", "true") != "true":
        raise MalformedError(f"{where} survives", found=short(effect["survives"]), expected="true")
    if effect["kind"] == "obligation" and "amount" in effect:
        parse_value("string", effect["amount"], f"{where} amount")
    if effect["kind"] == "obligation" and effect["duty"] not in (DUTY, PERMISSION, PROHIBITION):
        raise InvalidError(where, found=short(effect["duty"]), expected="duty, permission or prohibition")


def _check_time(text: str, where: str) -> None:
    try:
        parse_value("instant", text, where)
    except TallyError:
        parse_value("date", text, where)
