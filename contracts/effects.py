"""Effects of a rule that fires: computed in its look, and written as maps of texts.

| kind | map |
| --- | --- |
| `due` | `amount`, `by`, `from`, `kind`, `to`, and `as` where it has a name |
| `obligation` | `act`, `duty`, `kind`, `of`; `amount`, `by`, `to` where said; `survives: "true"` |
| `discharge` | `kind`, `name` |
| `state` | `kind`, `state` |
| `confirm` | `fact`, `kind`, `of` |
| `notify` | `kind`, `roles`: a list |

Roles are those of the document; amounts and times are canonical texts.
"""

from __future__ import annotations

from typing import TypeAlias

from contracts.document import (
    Discharge,
    Due,
    Effect,
    Notify,
    Obligation,
    RequestConfirmation,
    State,
)
from contracts.facts_known import Moment
from contracts.look import Look
from contracts.operations import describe_fault, instant
from contracts.syntax import Expression
from contracts.values import Date, Duration, Instant, Money, Value, format_value
from ledger.errors import InvalidError

EffectMap: TypeAlias = "dict[str, str | list[str]]"


def compute_effect(look: Look, effect: Effect, moment: Moment) -> EffectMap:
    """The map of one effect at the moment at which its rule fires.

    Raises:
        TallyError: a calculation without a result, or a negative amount due.
    """
    match effect:
        case Due():
            return _due(look, effect, moment)
        case Obligation():
            return _obligation(look, effect)
        case Discharge():
            return {"kind": "discharge", "name": effect.name}
        case State():
            return {"kind": "state", "state": effect.state}
        case RequestConfirmation():
            return {"fact": effect.fact, "kind": "confirm", "of": effect.of}
        case Notify():
            return {"kind": "notify", "roles": list(effect.roles)}


def _due(look: Look, due: Due, moment: Moment) -> EffectMap:
    amount = look.value(due.amount)
    if not isinstance(amount, Money):
        raise InvalidError(str(due.place), found="no money", expected="an amount of money")
    if amount.amount < 0:
        raise InvalidError(
            due.amount.at(due.amount.node),
            found=f"an amount due of {format_value(amount)}",
            expected="zero or more",
            action="limit it with max(…), or exchange from and to in a rule of its own",
        )
    by = _time(look, due.on) if due.on is not None else _after(look, due, moment)
    made: EffectMap = {
        "amount": format_value(amount),
        "by": format_value(by),
        "from": due.payer,
        "kind": "due",
        "to": due.payee,
    }
    return made if due.name is None else {"as": due.name, **made}


def _after(look: Look, due: Due, moment: Moment) -> Instant:
    """The firing's instant and what the payer has from then on; at once where the document does not say."""
    within = Duration(0) if due.within is None else look.value(due.within)
    if not isinstance(within, Duration):
        raise InvalidError(str(due.place), found="no duration", expected="a duration within which to pay")
    try:
        return instant(moment.instant.ms + within.ms)
    except ArithmeticError as fault:
        raise InvalidError(str(due.place), found=describe_fault(fault), expected="an earlier time") from fault


def _time(look: Look, expression: Expression) -> Value:
    value = look.value(expression)
    if not isinstance(value, (Instant, Date)):
        raise InvalidError(str(expression.place), found="no time", expected="an instant or a date")
    return value


def _obligation(look: Look, effect: Obligation) -> EffectMap:
    made: EffectMap = {"act": effect.act, "duty": effect.duty, "kind": "obligation", "of": effect.of}
    if effect.amount is not None:
        made["amount"] = format_value(look.value(effect.amount))
    if effect.by is not None:
        made["by"] = format_value(_time(look, effect.by))
    if effect.to is not None:
        made["to"] = effect.to
    if effect.survives:
        made["survives"] = "true"
    return dict(sorted(made.items()))
