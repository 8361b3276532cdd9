"""Checks on a statement before its author's node appends it: a node refuses a bad statement of its own.

`check_statement` takes the statement as the record that it would become, and returns nothing or raises; the
message says where, what was found, what was expected and what to do. It is stricter than the replay, which
only says what a statement that stands in a log means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

from contracts.civil import MAX_MS
from contracts.contract import Contract, load_contract
from contracts.corrections import check_effects, must_sign
from contracts.course import LATE, REFUSED, WAITING, Offer
from contracts.document import TERMINATE
from contracts.events import check_identifiers
from contracts.facts import StatedFact, parse_fact
from contracts.facts_known import Moment
from contracts.records import Outside, Record
from contracts.replay import Replay
from contracts.signing import check_member, check_person, check_reach, check_replaces, signers
from contracts.terms import has_voice
from contracts.values import Instant
from contracts.wishes import has_corrected, open_wishes, who_ends
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, short
from ledger.log.kinds import check_body

SEE = "see `tally agree show`"
WAIT = "wait until that holds, or leave it unconfirmed"
SETTLED = "nothing to do: it changes nothing any more; to put right what followed: `tally agree correct`"


def check_proposal(record: Record, replaced: Replay | None) -> Contract:
    """Check an `agreement.propose`: a contract without errors, by one of its own, for all of them.

    `replaced` is the agreement that it names under `replaces`, where it is held.

    Raises:
        TallyError: no contract, an error of the checker, a stranger's proposal, or nothing to replace.
    """
    check_body(record.kind, record.body, "proposal")
    contract = load_contract(record.body["document"])
    document = contract.document
    where = f"proposal of {document.name}"
    check_member(record.organization, document.organizations(), where)
    check_reach(record, document.organizations(), where)
    if record.body["replaces"] is None:
        return contract
    if replaced is None:
        raise MissingError(
            f"{where} replaces",
            found=f"{short(record.body['replaces'])}, not here",
            expected="an agreement in force",
        )
    old = replaced.contract.document
    if replaced.course.start is None or replaced.course.end is not None:
        _conflict(f"{where} replaces", "an agreement that is not in force", "one in force")
    check_replaces(old, document, where)
    if document.timekeeper != replaced.timekeeper:
        raise InvalidError(
            f"{where} replaces",
            found=f"the timekeeper {document.timekeeper}",
            expected=f"{replaced.timekeeper}, who keeps the time of the earlier one",
            action="keep the timekeeper: in its log stands when the one ends and the other begins",
        )
    return contract


def check_statement(replay: Replay, record: Record) -> None:
    """Check any other statement about an agreement; kinds that nobody checks pass.

    Raises:
        TallyError: it would have no effect, or is not its author's to make.
    """
    check = _CHECKS.get(record.kind)
    if check is None:
        return
    where = f"{record.kind} for {replay.contract.document.name}"
    check_body(record.kind, record.body, where)
    if record.body["agreement"] != replay.contract.agreement:
        raise InvalidError(
            f"{where} agreement",
            found=short(record.body["agreement"]),
            expected=short(replay.contract.agreement),
            action="name the agreement by its hash",
        )
    if record.kind != "timekeeper.replace":
        organizations = (*replay.contract.document.parties.values(), replay.timekeeper)
        check_member(record.organization, organizations, where)
        check_reach(record, tuple(sorted(set(organizations))), where)
    check(replay, record, where)


def _conflict(where: str, found: str, expected: str, action: str = "") -> NoReturn:
    raise ConflictError(where, found=found, expected=expected, action=action)


def _status(replay: Replay) -> str:
    course = replay.course
    if course.end is not None:
        return f"that ended ({course.end[1]})"
    return "that is proposed" if course.start is None else "in force"


def _check_in_force(replay: Replay, where: str) -> None:
    course = replay.course
    if course.start is None or course.end is not None:
        _conflict(
            where,
            f"an agreement {_status(replay)}",
            "one in force",
            f"wait until every party has signed and the timekeeper has counted it: {SEE}"
            if course.end is None
            else f"nothing to do: {SEE} for what still stands",
        )


def _open_offer(replay: Replay, record: Record, where: str) -> Offer:
    if replay.course.start is not None:
        ended = replay.course.end is not None
        _conflict(
            where,
            f"an agreement {_status(replay)}",
            "a proposal that nobody has accepted or dropped yet",
            f"nothing to do: {SEE}" if ended else "to end it with the others: `tally agree terminate`",
        )
    leaf_hash = record.body["proposal"]
    if leaf_hash not in replay.held.offers:
        known = ", ".join(short(offer) for offer in replay.held.offers) or "a proposal"
        raise MissingError(
            f"{where} proposal",
            found=f"{short(leaf_hash)}, which proposes something else or is not here",
            expected=known,
            action=SEE,
        )
    offer = replay.course.offer_of(leaf_hash)
    if offer.gone:
        _conflict(where, f"an offer that is {offer.gone}", "one that stands", "propose it anew")
    return offer


def _check_sign(replay: Replay, record: Record, where: str) -> None:
    offer = _open_offer(replay, record, where)
    role = record.body["party"]
    people = signers(replay.contract.document, record.organization, role, record.signatures)
    if set(people) <= set(offer.signers.get(role, ())):
        _conflict(
            where,
            "signed before",
            "each person once",
            "nothing to do, or let somebody else sign",
        )


def _check_withdraw(replay: Replay, record: Record, where: str) -> None:
    offer = _open_offer(replay, record, where)
    if offer.record.organization != record.organization:
        raise ForbiddenError(
            where,
            found=f"by {record.organization}",
            expected=f"{offer.record.organization}, who proposed it",
            action="decline it instead",
        )


def _check_decline(replay: Replay, record: Record, where: str) -> None:
    _open_offer(replay, record, where)
    _check_party(replay, record, where, "leave it unsigned: without every signature it is never in force")
    check_person(record, where)


def _check_party(replay: Replay, record: Record, where: str, action: str) -> None:
    parties = tuple(replay.contract.document.parties.values())
    if record.organization not in parties:
        raise ForbiddenError(
            where,
            found=f"by {record.organization}, who is no party",
            expected=f"a party: {', '.join(parties)}",
            action=action,
        )


def _check_fact(replay: Replay, record: Record, where: str) -> None:
    course, document = replay.course, replay.contract.document
    # An entry's time is given by the writer; a fact that says no other time always has a good one.
    stated = parse_fact(document, record.organization, record.body, record.time_ms)
    if course.end is None or stated.name not in replay.contract.after_end:
        _check_in_force(replay, f"fact {stated.name}")
    moment = Moment(instant=Instant(max(record.time_ms, course.last_ms)), position=record.position)
    if refused := course.judge(stated, course.fact_of(record, stated, moment)):
        action = SETTLED if refused[0] == LATE else f"nothing to do, or {SEE}"
        _conflict(f"fact {stated.name}", refused[1], "one that can still count", action)
    check_identifiers(document, stated, replay.contract.keys)


def _check_confirm(replay: Replay, record: Record, where: str) -> None:
    held, fact = replay.held, record.body["fact"]
    if fact not in held.stated:
        raise MissingError(
            f"{where} fact",
            found=f"{short(fact)}, which is no fact of it or is not here",
            expected="the leaf hash of a fact of this agreement",
            action="wait until its log has been synced, or check the hash",
        )
    asked = held.asked(fact)
    if record.organization not in asked:
        raise ForbiddenError(
            where,
            found=f"by {record.organization}",
            expected=" and ".join(sorted(asked)) or "nobody: it needs no confirmation",
            action="let them confirm it",
        )
    check_person(record, where)
    parties = replay.contract.document.parties
    mine = [
        stated
        for stated in held.stated[fact].values()
        if record.organization in {parties[role] for role in stated.rule.confirm}
    ]
    # An event may state several facts: one that waits is reason enough.
    reasons = [_why_not(replay, record, stated) for stated in mine]
    if all(reasons):
        found, action = next(filter(None, reasons))
        _conflict(where, found, "one that waits", action)
    if any(given.organization == record.organization for given in held.confirms.get(fact, ())):
        _conflict(where, f"confirmed by {record.organization} already", "one confirmation", "nothing to do")


def _why_not(replay: Replay, record: Record, stated: StatedFact) -> tuple[str, str] | None:
    """Why a confirmation would do nothing for a fact, and what to do; None if it may do something."""
    course, fact = replay.course, record.body["fact"]
    claim = course.claims.get((fact, stated.name))
    if claim is not None and claim.status != WAITING:
        why = f": {claim.reason}" if claim.reason else ""
        return f"a fact that is settled: {claim.status}{why}", SETTLED
    if course.start is None:
        return None
    parties = replay.contract.document.parties
    others = {parties[role] for role in stated.rule.confirm} - {record.organization}
    if claim is None or course.confirmations.of(fact, others) is None:
        # Until it is counted and the last one confirms it, its `when` may come to hold.
        stated = replace(stated, rule=replace(stated.rule, when=None))
    moment = Moment(instant=Instant(max(record.time_ms, course.last_ms)), position=record.position)
    existing = course.fact_of(replay.held.records[fact], stated, moment)
    trouble = course.judge(stated, replace(existing, confirmed=moment.instant))
    if trouble is None:
        return None
    status, reason = trouble
    waits = status == REFUSED and course.end is None
    return f"a fact that would not count: {reason}", WAIT if waits else SETTLED


def _check_terminate(replay: Replay, record: Record, where: str) -> None:
    role = record.body["party"]
    _check_party(replay, record, where, f"leave it to them: only parties {TERMINATE}")
    people = signers(replay.contract.document, record.organization, role, record.signatures)
    _check_in_force(replay, where)
    if set(people) <= who_ends(replay).get(role, set()):
        _conflict(where, "said before", "each person once", f"wait for the others: {SEE}")


def _check_correction(replay: Replay, record: Record, where: str) -> None:
    course, contract = replay.course, replay.contract
    _check_party(replay, record, where, "leave it to the parties")
    check_person(record, where)
    firing = course.corrections.find(record.body["decision"], course.evaluator.firings)
    effects = check_effects(contract, record.body["effects"])
    standing = course.corrections.effects_of(record.body["decision"], firing)
    if list(effects) == [dict(sorted(effect.items())) for effect in standing]:
        _conflict(where, "the effects that stand", "others", "nothing to do")
    needed = must_sign(contract, standing, effects)
    if record.organization not in needed:
        raise ForbiddenError(
            where,
            found=f"by {record.organization}, whose signature it does not need",
            expected=f"{', '.join(sorted(needed))}, who would get less or owe more",
            action="hand the effects over to them: once they have signed, it stands",
        )
    decision = record.body["decision"]
    if any(has_corrected(w, record.organization, decision, effects) for w in open_wishes(replay)):
        _conflict(where, "said before", "each party once", f"wait for the others: {SEE}")


def check_vote(record: Record, known: Iterable[Record], outside: Outside) -> None:
    """Check a `timekeeper.replace` about an agreement whose document is not here.

    Who keeps its time the head alone tells here, and whether that and the term are right only those know who
    hold the document. `known` are the statements about the agreement that are here.

    Raises:
        TallyError: it can have no effect, or its author has said so for this term before.
    """
    where = f"{record.kind} for agreement {short(record.body.get('agreement'), 16)}"
    check_body(record.kind, record.body, where)
    replaced = record.body["head"].partition("/")[0]
    _check_said(record, (r for r in known if r.kind == record.kind), replaced, outside, where)


def _check_replace(replay: Replay, record: Record, where: str) -> None:
    document, term = replay.contract.document, replay.open_term
    timekeeper = record.body["timekeeper"]
    if record.body["term"] != term.number + 1:
        _conflict(where, f"term {record.body['term']}", f"term {term.number + 1}", SEE)
    if not has_voice(document, record.organization, timekeeper):
        raise ForbiddenError(
            where,
            found=f"by {record.organization}, who is no party, for {timekeeper}",
            expected=f"a party, or {document.successor or 'a successor'} that the document names",
            action="leave it to the parties: others vote for the document's successor alone",
        )
    _check_said(record, replay.held.replacements, term.timekeeper, replay.outside, where)


def _check_said(record: Record, known: Iterable[Record], replaced: str, outside: Outside, where: str) -> None:
    """What is asked of everybody who puts another timekeeper in the place of this one."""
    check_person(record, where)
    if record.body["timekeeper"] == replaced:
        _conflict(where, f"{replaced}, who keeps the time now", "another organization")
    said = (record.organization, record.body["term"])
    if any((r.organization, r.body["term"]) == said for r in known):
        _conflict(where, "said before", "one statement for each term", "the first one counts")
    if outside.head(record.body["head"], replaced, MAX_MS) is None:
        raise InvalidError(
            f"{where} head",
            found="a note that is not signed by the timekeeper's log, or not witnessed",
            expected=f"the last witnessed head of {replaced}",
            action="take the one that this node holds: `tally log`",
        )


def _check_counted(replay: Replay, record: Record, where: str) -> None:
    if record.organization != replay.timekeeper:
        raise ForbiddenError(
            where,
            found=f"by {record.organization}",
            expected=f"{replay.timekeeper}, the timekeeper",
            action="leave the counting to them",
        )
    entries = record.body["entries"]
    if not entries or len(set(entries)) != len(entries):
        raise InvalidError(f"{where} entries", found="none, or one twice", expected="leaf hashes, each once")
    countable = set(replay.countable())
    for leaf_hash in entries:
        if leaf_hash not in countable:
            raise InvalidError(
                f"{where} entries",
                found=short(leaf_hash),
                expected="what would have an effect now",
                action="count what `countable` lists",
            )


def _check_decision(replay: Replay, record: Record, where: str) -> None:
    check_member(record.organization, tuple(replay.contract.document.parties.values()), where)
    key = record.body.get("key")
    own = [
        r
        for r in replay.held.decisions.get((record.body["rule"], key), ())
        if r.organization == record.organization
    ]
    if own:
        _conflict(where, "a decision of this rule recorded before", "one for each rule and key")


_CHECKS: Mapping[str, Callable[[Replay, Record, str], None]] = {
    "agreement.decline": _check_decline,
    "agreement.sign": _check_sign,
    "agreement.terminate": _check_terminate,
    "agreement.withdraw": _check_withdraw,
    "confirm": _check_confirm,
    "correction": _check_correction,
    "counted": _check_counted,
    "decision": _check_decision,
    "fact": _check_fact,
    "timekeeper.replace": _check_replace,
}
"""Every kind about an agreement that has a check of its own."""
