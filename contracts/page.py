"""A contract as one page of HTML: the prose that is signed, and the rules beside it in words.

The page is one file. It has no scripts and asks nobody for anything, and its policy forbids a browser to
try; it prints. What people sign is the signed form (`contracts.document`), whose hash the page shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.agreement import ENDED, PROPOSED, Agreement
from contracts.contract import Contract
from contracts.course import EXISTS, NOT_COUNTED
from contracts.decision import MET, Evaluation
from contracts.document import TIMEKEEPER, SignRule, format_document
from contracts.examples import examples
from contracts.limits import LANGUAGE_VECTORS
from contracts.markup import PAGE_POLICY, bullets, rows, tag, text_of, wrap
from contracts.phrases import Item, listed, quoted
from contracts.render import prose_value, render_text, surroundings
from contracts.values import Instant, format_value
from contracts.words import RuleWords, Words, told_time

_STYLE = """
body { font: 11pt/1.5 Georgia, 'Times New Roman', serif; color: #1a1a1a; background: #fff;
  max-width: 70em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.7em; margin-bottom: 0; } h2 { font-size: 1.2em; margin-top: 2em;
  border-bottom: 1px solid #999; } h3 { font-size: 1em; margin: 1.2em 0 .2em; }
.beside { display: grid; grid-template-columns: 1fr 1fr; gap: 2.5em; }
.prose { font-size: 1.08em; align-self: start; position: sticky; top: 1em; }
.rule { border-left: 4px solid #1b6e3c; padding: .1em 0 .1em 1em;
  margin: 1em 0 1.4em; break-inside: avoid; } .rule p { margin: .3em 0; } .rule h3 { margin-top: 0; }
.standing { border: 2px solid #1f5fa8; padding: .6em 1em; margin: 1.5em 0; }
.notes { border: 2px solid #8a6100; padding: .1em 1em; margin: 1.5em 0; }
table { border-collapse: collapse; width: 100%; margin: .6em 0; } th, td { text-align: left;
  vertical-align: top; padding: .25em .8em .25em 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
th { font-weight: normal; color: #555; width: 16em; } ul { margin: .3em 0; padding-left: 1.4em; }
li { margin: .2em 0; overflow-wrap: anywhere; } code { font-size: .85em; overflow-wrap: anywhere; }
.small { color: #555; font-size: .9em; }
@media (max-width: 50em) { .beside { grid-template-columns: 1fr; gap: 0; } }
@media print { body { margin: 0; max-width: none; font-size: 9.5pt; } h2, h3 { break-after: avoid; }
  .beside { gap: 1.5em; } .prose { position: static; } }
@page { margin: 16mm; }
"""

_BESIDE = (
    "Both are signed: the text, which people wrote, and the rules, which are told here in words. What this "
    "system works out and records follows from the rules alone; it does not read the text. Where the two "
    "differ, it goes by the rules, and people put that right by a correction that they sign."
)
_READING = (
    "Order and deadlines go by when the timekeeper counts what is recorded, not by when it is said to have "
    "happened.",
    "What a rule reckons from, the time that was stated or the time of counting, is said with each rule.",
    "A deadline passes when the timekeeper records that its time has been reached. What must come before it "
    "and is counted later does not count.",
    "Each rule takes effect once, at the first moment at which all that it asks for is so; a rule “for each” "
    "something once for each of them.",
    "“Recorded” says that somebody stated it and the timekeeper counted it, not that it is true.",
)


def contract_page(
    contract: Contract, agreement: Agreement | None = None, evaluation: Evaluation | None = None
) -> str:
    """The page of a contract; with how it stands, where it is an agreement."""
    document, words = contract.document, Words(contract.document)
    body = "".join(
        (
            *_top(words),
            *(_standing(words, agreement, evaluation) if agreement and evaluation else ()),
            *_beside(words),
            *_examples(contract, words),
            *_details(words),
            *_signing(contract),
            *_notes(contract),
            *_foot(contract),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{PAGE_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{text_of(document.name)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _top(words: Words) -> Iterator[str]:
    document = words.document
    yield tag("h1", document.name)
    parties = listed([words.role(role) for role in document.parties])
    yield tag("p", f"An agreement between {parties}. {document.timekeeper} keeps the time (the timekeeper).")
    if document.party_keeps_time:
        yield tag("p", f"Mind that {document.timekeeper} is a party and keeps the time itself.")


def _beside(words: Words) -> Iterator[str]:
    prose = [part for part in render_text(words.document).split("\n\n") if part.strip()]
    left = tag("h2", "The text") + "".join(tag("p", part) for part in prose or ["It has no text."])
    rules = "".join(_rule(words.rule(rule)) for rule in words.document.rules)
    right = tag("h2", "What follows, and when") + tag("p", _BESIDE, class_="small") + rules
    yield wrap("div", wrap("div", left, class_="prose") + wrap("div", right), class_="beside")


def _rule(rule: RuleWords) -> str:
    head = tag("h3", rule.name.replace("_", " "))
    once = f"For each {rule.each}: once" if rule.each else "Once"
    if len(rule.conditions) > 1:
        asked = tag("p", f"{once} all of this is so:") + _items(rule.conditions)
    elif rule.conditions and rule.conditions[0].below:
        asked = tag("p", f"{once} {rule.conditions[0].text.rstrip(':')} is so:")
        asked += bullets(rule.conditions[0].below)
    elif rule.conditions:
        asked = tag("p", f"{once} {rule.conditions[0].text}:")
    else:
        asked = tag("p", f"{once} the agreement is in force:")
    then = (tag("p", "then") if len(rule.conditions) > 1 else "") + bullets(rule.effects)
    values = tag("p", "where") + _items(rule.values) if rule.values else ""
    return wrap("div", head + asked + then + values, class_="rule")


def _items(items: Iterable[Item]) -> str:
    """A list, with the short list of each item below it."""
    return wrap("ul", "".join(wrap("li", text_of(item.text) + bullets(item.below)) for item in items))


def _examples(contract: Contract, words: Words) -> Iterator[str]:
    found = examples(contract, format_document(contract.document), words)
    if not found:
        return
    yield tag("h2", "For example")
    yield tag(
        "p",
        "Computed by the rules, if nothing else happens. Where it does not say, what is recorded is "
        "counted at the very time at which it happens.",
        class_="small",
    )
    yield _table((each.title, each.outcome or ("nothing follows",)) for each in found)


def _details(words: Words) -> Iterator[str]:
    document = words.document
    if document.facts:
        yield tag("h2", "What can be recorded")
        yield rows((quoted(name), " ".join(words.fact(name))) for name in document.facts)
    if document.deadlines:
        yield tag("h2", "Deadlines")
        yield rows((quoted(name), words.deadline(name)) for name in document.deadlines)
    shown = {name for rule in document.rules for name in words.lets_of(rule)}
    if others := [name for name in document.lets if name not in shown]:
        yield tag("h2", "What else is calculated")
        yield _items([words.let(name) for name in others])
    if document.params:
        yield tag("h2", "Agreed values")
        yield rows(_agreed(words))
    if document.bands:
        yield tag("h2", "Tables")
        yield rows((quoted(name), "; ".join(words.band(name))) for name in document.bands)
    if document.calendars:
        yield tag("h2", "Calendars")
        yield rows((quoted(name), words.calendar(name)) for name in document.calendars)


def _agreed(words: Words) -> Iterator[tuple[str, str]]:
    """The agreed values, each with the words of the text around it: they say what it is and counts."""
    found = surroundings(words.document)
    for name in words.document.params:
        where = f"in the text: {found[name]}" if name in found else "not in the text"
        yield quoted(name), f"{words.phrases.param(name)} ({where})"


def _table(pairs: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """A table of two columns, in the second of which each text is a line."""
    inside = "".join(
        wrap("tr", tag("th", name, scope="row") + wrap("td", "<br>".join(text_of(line) for line in lines)))
        for name, lines in pairs
    )
    return wrap("table", inside)


def _signing(contract: Contract) -> Iterator[str]:
    document = contract.document
    yield tag("h2", "Who signs")
    found = []
    for role, rule in document.sign.items():
        holder = document.timekeeper if role == TIMEKEEPER else document.parties[role]
        found.append((f"{holder} ({role})", _people(rule)))
    if document.successor is not None:
        found.append((document.successor, "may take over from a silent timekeeper; does not sign"))
    yield rows(found)
    yield tag("p", "The agreement is in force once all of these people have signed this same document.")


def _people(rule: SignRule) -> str:
    people = "any one person" if rule.need == 1 else f"any {rule.need} different people"
    if not rule.of:
        return people
    if len(rule.of) == 1:
        return f"{people} with the role {rule.of[0]}"
    hold = "holds" if rule.need == 1 else "each hold"
    return f"{people} who {hold} one of these roles: {listed(rule.of, 'or')}"


def _notes(contract: Contract) -> Iterator[str]:
    warnings = [problem.advice for problem in contract.report.warnings]
    if warnings:
        yield wrap("div", tag("h2", "What signers should know") + bullets(warnings), class_="notes")


def _foot(contract: Contract) -> Iterator[str]:
    document = contract.document
    file = document.label.rpartition("/")[2]
    source = f"the file {file}" if file.endswith((".yaml", ".yml")) else f"the contract “{document.name}”"
    yield tag("h2", "How to read this")
    signed = f"This page explains the rules; what is signed is the document with the hash below ({source})."
    yield bullets((*_READING, signed))
    yield f'<p class="small">agreement hash <code>{contract.agreement.hex()}</code><br>'
    yield f"contract language 1, fixed by <code>{LANGUAGE_VECTORS}</code></p>"


# How an agreement stands


def _standing(words: Words, agreement: Agreement, evaluation: Evaluation) -> Iterator[str]:
    reason = f" ({agreement.reason})" if agreement.reason else ""
    inside = [tag("h2", f"How it stands: {agreement.status}{reason}")]
    if agreement.start is not None:
        inside.append(tag("p", f"In force since {prose_value(agreement.start.instant)}."))
    if agreement.status == ENDED and agreement.end is not None:
        inside.append(tag("p", f"Ended at {prose_value(agreement.end.instant)}."))
    if evaluation.state is not None:
        inside.append(tag("p", f"State: {evaluation.state.replace('_', ' ')}."))
    inside.append(rows(_stands(words, agreement, evaluation)))
    yield wrap("div", "".join(inside), class_="standing")


def _stands(words: Words, agreement: Agreement, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    if agreement.status == PROPOSED:
        for proposal in agreement.proposals:
            lacking = [f"{count} as {role}" for role, count in proposal.lacking.items()]
            yield f"proposed by {proposal.organization}", f"signatures lacking: {', '.join(lacking)}"
    for fact in agreement.facts:
        fields = [f"{name.replace('_', ' ')} {text}" for name, text in fact.fields.items() if name != "at"]
        what = f"{fact.organization}, {prose_value(fact.at)}" + "".join(f", {field}" for field in fields)
        known = fact.status in (EXISTS, NOT_COUNTED)
        how = "counted" if fact.status == EXISTS else fact.status
        yield quoted(fact.name), f"{what}: {how}" + ("" if known or not fact.reason else f" ({fact.reason})")
    for deadline in agreement.deadlines:
        key = "" if deadline.key is None else f" for {format_value(deadline.key)}"
        closed = deadline.closed
        how = (
            f"closes after {prose_value(Instant(deadline.due_ms))}"
            if closed is None
            else f"passed at {prose_value(closed.instant)}"
        )
        yield f"deadline {quoted(deadline.name)}{key}", how
    for decision in evaluation.decisions:
        key = "" if decision.key is None else f" for {decision.key}"
        told = "; ".join(words.outcome(effect) for effect in decision.effects)
        standing = "final" if decision.final else "provisional"
        yield f"rule {decision.firing.rule}{key}, {standing}", told
    for due in evaluation.dues:
        paid = ", paid" if due.standing == MET else ""
        yield "due", f"{due.amount} from {due.payer} to {due.payee}, by {told_time(due.by)}{paid}"
    for obliged in evaluation.obligations:
        yield obliged.duty, f"{obliged.of}: {obliged.act.replace('_', ' ')}, {obliged.standing}"
