"""How an agreement stands, as the lines that `tally agree show` prints."""

from __future__ import annotations

from collections.abc import Iterator

from cli.call import plural, short_hash
from cli.due import due_lines, obligation_lines
from cli.explained import named, rule_lines
from contracts.document import Document
from contracts.render import prose_value
from contracts.wishes import END
from contracts.words import Words
from node.views.values import Json


def standing_lines(document: Document, value: Json) -> list[str]:
    """Everything about an agreement but its text and values."""
    reason = f" ({value['reason']})" if value["reason"] else ""
    lines = [f"agreement  {value['agreement']}", f"status     {value['status']}{reason}"]
    if value["state"]:
        lines.append(f"state      {value['state']}")
    lines += _term_lines(value["terms"])
    for proposal in value["proposals"]:
        lines += _proposal_lines(proposal)
    for fact in value["facts"]:
        lines += _fact_lines(fact)
    lines += [_deadline_line(deadline) for deadline in value["deadlines"]]
    words = Words(document)
    for firing in value["firings"]:
        lines += _firing_lines(words, firing)
    lines += [
        f"DISPUTED   {named(item)}: {' and '.join(item['disputed_by'])} recorded a decision of it, and here "
        "it has not fired"
        for item in value["disputed"]
        if item["decision"] is None
    ]
    lines += [line for wish in value["wishes"] for line in wish_lines(words, value, wish)]
    lines += [f"due        {line}" for line in due_lines(value["due"])[1:]]
    lines += [f"obligation {line}" for line in obligation_lines(value["obligations"])[1:]]
    lines += [f"failed     {failure['rule']}: {failure['trouble']}" for failure in value["failures"]]
    lines += [f"missing    entry {leaf}" for leaf in value["missing"]]
    lines += [f"no effect  {remark['text']} ({short_hash(remark['leaf'])})" for remark in value["remarks"]]
    if "rules" in value:
        lines += ["", *rule_lines(value["rules"])]
    return lines


def passed_lines(document: Document, now_ms: int) -> Iterator[str]:
    """Deadlines whose time stands in the document and is over, which may have been overlooked."""
    known = Words(document).phrases.truth.known
    for name in document.deadlines:
        closing = known.deadline(name)
        if closing is not None and closing.due_ms <= now_ms:
            told = prose_value(closing.at)
            yield f"Note: the deadline {name!r}, {told}, is over: what must come before it can never count."


def wish_lines(words: Words, value: Json, wish: Json) -> Iterator[str]:
    """What parties have said of an end or a correction, and who has not yet."""
    by, why = " and ".join(wish["by"]), f" ({wish['text']})" if wish["text"] else ""
    waits = f"waits for {', '.join(wish['lacking'])}" if wish["lacking"] else "said by all, not counted yet"
    if wish["sort"] == END:
        yield f"to end     wanted by {by}{why}: {waits}"
        return
    firing = next((each for each in value["firings"] if each["decision"] == wish["decision"]), None)
    rule = named(firing) if firing else f"decision {short_hash(wish['decision'])}"
    yield f"to correct {rule}, wanted by {by}{why}: {waits}"
    yield from (f"           then {words.outcome(effect)}" for effect in wish["effects"])


def _term_lines(terms: list[Json]) -> Iterator[str]:
    """Who kept the time from when, once another took over."""
    for term in terms[1:]:
        cut = f"{term['replaces']}'s log counts up to {plural(term['cut']['size'], 'entry', 'entries')}"
        since = f"from {term['since']['time']} on" if term["since"] else "once it has begun"
        yield f"time       kept by {term['timekeeper']} {since}; {cut}"


def _deadline_line(deadline: Json) -> str:
    name = deadline["name"] if deadline["key"] is None else f"{deadline['name']} for {deadline['key']}"
    closed = deadline["closed"]
    how = f"closed at {closed['time']}" if closed else f"open, closes from {deadline['closes_from']} on"
    return f"deadline   {name}, {deadline['at']}: {how}"


def _proposal_lines(proposal: Json) -> Iterator[str]:
    by = f"by {proposal['organization']}, {short_hash(proposal['leaf'])}"
    if proposal["gone"]:
        yield f"gone       the proposal {by}: {proposal['gone']}"
        return
    yield f"proposed   {by}"
    if proposal["replaces"] is not None:
        yield f"replaces   agreement {short_hash(proposal['replaces'])}"
    if proposal["until"] is not None:
        yield f"until      {proposal['until']}"
    for role, people in proposal["signed"].items():
        names = ", ".join(person["name"] or short_hash(person["key"]) for person in people)
        yield f"signed     as {role}: {names}"
    for role, count in proposal["lacking"].items():
        yield f"lacking    {plural(count, 'signature')} as {role}"


def _fact_lines(fact: Json) -> Iterator[str]:
    fields = "".join(f" {key}={text}" for key, text in fact["fields"].items())
    stated = f"{fact['name']}{fields}, by {fact['organization']}"
    standing = "witnessed" if fact["witnessed"] else "recorded"
    yield f"fact       {stated}: {fact['status']}, {standing}, {short_hash(fact['leaf'])}"
    if fact["reason"]:
        yield f"           {fact['reason']}"
    yield from (f"           {line}" for line in attachment_lines(fact))
    yield from (f"           confirmed by {each['organization']}" for each in fact["confirmations"])
    yield from (f"           waits for {role} to confirm" for role in fact["awaiting"])


def attachment_lines(fact: Json) -> Iterator[str]:
    """The documents that a fact names, by their hashes."""
    return (f"document with SHA-256 {digest}" for digest in fact["attachments"])


def _firing_lines(words: Words, firing: Json) -> Iterator[str]:
    standing = "final" if firing["final"] else "provisional"
    decision = f"decision {short_hash(firing['decision'])}"
    yield f"fired      {named(firing)}, {standing}, {firing['at']['time']}, {decision}"
    if firing["disputed_by"]:
        others = " and ".join(firing["disputed_by"])
        yield f"           DISPUTED: {others} recorded another decision than this home computes"
    corrected = firing["corrected"]
    if corrected:
        why = f" ({corrected['text']})" if corrected["text"] else ""
        by = " and ".join(corrected["by"])
        yield f"           corrected by {by}{why}, {corrected['at']['time']}; it was before:"
        yield from (f"           {words.outcome(effect)}" for effect in corrected["effects"])
