"""The part of the checker that looks at names, roles, facts, and which events state them."""

from __future__ import annotations

from contracts.document import TIMEKEEPER, EventValue, FactRule, FieldRule
from contracts.events import resolve, threshold
from contracts.field_bounds import field_bounds
from contracts.operations import ArithmeticFault, compare
from contracts.problems import Problems
from contracts.types import BOOLEAN
from ledger.errors import TallyError

_NAMED = ("parties", "params", "calendars", "bands", "facts", "deadlines", "lets")


def check_names(problems: Problems) -> None:
    """Names that stand twice, and who keeps the time."""
    document = problems.document
    owners: dict[str, str] = {}
    for part in _NAMED:
        for name in getattr(document, part):
            if name in owners:
                problems.error(
                    document.place(part, name),
                    f"the name {name}, which stands under {owners[name]} too",
                    "each name once",
                    "rename one of them",
                )
            owners[name] = part
    if document.party_keeps_time:
        role = next(role for role in document.parties if document.parties[role] == document.timekeeper)
        problems.warn(
            document.place(TIMEKEEPER),
            f"{document.timekeeper} keeps the time and is a party itself, the {role}.",
            "Consider a third organization as timekeeper.",
        )
    if document.successor == document.timekeeper:
        problems.error(
            document.place("successor"), "the timekeeper itself", "another organization", "name another"
        )


def check_facts(problems: Problems) -> None:
    """Each fact: who states and confirms it, its fields, deadlines, key, condition and event."""
    for name, fact in problems.document.facts.items():
        problems.roles(fact.place, (*fact.by, *fact.confirm))
        _check_confirmers(problems, name, fact)
        for field, rule in fact.fields.items():
            _check_bounds(problems, f"{name}.{field}", rule)
        if fact.per is not None and fact.per not in fact.fields:
            problems.error(
                fact.place, f"per {fact.per}", f"a field of {name}", f"add {fact.per} under fields"
            )
        if fact.total < fact.max:
            problems.error(fact.place, "a total below max", "total at or above max", "exchange them")
        _check_before(problems, name, fact)
        _check_when(problems, name, fact)
        _check_event(problems, name, fact)


def _check_confirmers(problems: Problems, name: str, fact: FactRule) -> None:
    parties = problems.document.parties
    for role in fact.confirm:
        same = [other for other in fact.by if parties.get(other, other) == parties.get(role, role)]
        if same:
            problems.error(
                fact.place,
                f"{name} is confirmed by {role}, who as {same[0]} may state it",
                "somebody else to confirm it",
                f"take {role} out of confirm or {same[0]} out of by",
            )


def _check_bounds(problems: Problems, name: str, rule: FieldRule) -> None:
    problems.used |= problems.document.params.keys() & {rule.least, rule.most}
    if not problems.broken.isdisjoint({rule.least, rule.most}):
        return
    try:
        low, high = field_bounds(problems.document, rule)
        crossed = low is not None and high is not None and compare(">", low, high)
    except TallyError as error:
        problems.caught(error)
        return
    except ArithmeticFault as fault:
        problems.error(rule.place, str(fault), "bounds in one currency", "correct one of them")
        return
    if crossed:
        problems.error(rule.place, f"least above most for {name}", "least at or below most", "exchange them")


def _check_before(problems: Problems, name: str, fact: FactRule) -> None:
    document = problems.document
    needs = problems.contexts.deadline_needs
    for key, deadline in (("before", fact.before), ("state_before", fact.state_before)):
        if deadline is None or deadline in problems.broken:
            continue
        problems.used.add(deadline)
        rule = document.deadlines.get(deadline)
        if rule is None:
            known = ", ".join(document.deadlines) or "none are defined"
            problems.error(
                fact.place, f"{key}: {deadline}", f"a deadline: {known}", "define it under deadlines"
            )
        elif rule.per is not None and rule.per not in fact.fields:
            problems.error(
                fact.place,
                f"{key}: {deadline}, which exists for each {rule.per}",
                f"a field {rule.per} of {name}",
                f"add {rule.per} under fields",
            )
        elif name in needs.get(deadline, ()):
            problems.error(
                rule.place,
                f"{deadline}, which rests on {name}, which must be stated before it",
                "a deadline that can exist",
                f"make {deadline} rest on something else",
            )


def _check_when(problems: Problems, name: str, fact: FactRule) -> None:
    if fact.when is None:
        return
    meaning = problems.meaning(fact.when, fact.per, own=name)
    if meaning is None:
        return
    if meaning.type != BOOLEAN:
        problems.error(fact.when.place, f"a condition that is {meaning.type}", "a boolean", "compare it")
    for needed in sorted(meaning.flow.needs):
        problems.error(
            fact.when.place,
            f"{needed} is read where it may not exist",
            f"exists({needed}) before it",
            f"write exists({needed}) and …",
        )


def _check_event(problems: Problems, name: str, fact: FactRule) -> None:
    if fact.event is None:
        for field, of in fact.fields.items():
            if of.event is not None:
                problems.error(
                    of.place,
                    f"{name}.{field} from an event",
                    "a fact with `event`",
                    "add `event` to the fact",
                )
        return
    if fact.attachments:
        problems.error(fact.place, "attachments of an event", "none: events have none", "leave one out")
    event = fact.event
    texts = [event.location, event.read_point, event.identifier]
    texts += [party.id for party in event.parties] + [text for _, text in event.transactions]
    for field, of in fact.fields.items():
        if of.event is None:
            problems.error(
                of.place,
                f"{name}.{field}, which no event has",
                "where it stands in the event",
                f"write {{{of.type.kind}: {{event: …}}}}",
            )
        elif of.event.source == "sensor" and of.event.type is None:
            problems.error(of.place, "a sensor without type", "a type such as Temperature", "add `type`")
        elif of.event.source == "quantity":
            texts.append(of.event.type)
        else:
            _check_thresholds(problems, of.event)
    for text in texts:
        if text is None or text in problems.broken:
            continue
        try:
            resolve(problems.document, text)
        except TallyError as error:
            problems.error(fact.place, error.found, error.expected, error.action)
        problems.used |= problems.document.params.keys() & {text}


def _check_thresholds(problems: Problems, of: EventValue) -> None:
    """What readings must be above and below: numbers, and some lie between them."""
    named = {of.above, of.below}
    problems.used |= problems.document.params.keys() & named
    if not problems.broken.isdisjoint(named):
        return
    try:
        low, high = threshold(problems.document, of.above), threshold(problems.document, of.below)
    except TallyError as error:
        problems.error(of.place, error.found, error.expected, error.action)
        return
    if low is not None and high is not None and low >= high:
        problems.error(
            of.place, f"readings above {low} and below {high}", "`above` less than `below`", "exchange them"
        )
