"""Checks on a statement before its author's node appends it: a node refuses a bad statement of its own.

`check_statement` takes the statement as the record that it would become, and returns nothing or raises; the
message says where, what was found, what was expected and what to do. It is stricter than the replay, which
only says what a statement that stands in a log means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from contracts.civil import MAX_MS
from contracts.contract import Contract, load_contract
from contracts.corrections import check_effects, must_sign
from contracts.course import EXISTS, LATE, REFUSED, SURPLUS, Offer
from contracts.document import TERMINATE
from contracts.facts import parse_fact
from contracts.facts_known import Moment
from contracts.records import Record
from contracts.replay import Replay
from contracts.signing import check_member, check_person, check_reach, signers
from contracts.values import Instant
from ledger.errors import ConflictError, ForbiddenError, InvalidError, MissingError, short
from ledger.log.kinds import check_body

SEE = "see `tally agree show`"


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
    if not set(old.parties.values()) <= set(document.parties.values()):
        raise InvalidError(
            f"{where} replaces",
            found=f"parties {', '.join(document.parties.values())}",
            expected=f"at least {', '.join(old.parties.values())}",
            action="name everyone who is bound by the earlier one",
        )
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
    if replay.course.start is None or replay.course.end is not None:
        _conflict(
            where,
            f"an agreement {_status(replay)}",
            "one in force",
            "wait until every party has signed and the timekeeper has counted it: `tally agree show`",
        )


def _open_offer(replay: Replay, record: Record, where: str) -> Offer:
    if replay.course.start is not None:
        _conflict(where, f"an agreement {_status(replay)}", "a proposal")
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
    check_member(record.organization, tuple(replay.contract.document.parties.values()), where)
    check_person(record, where)


def _check_fact(replay: Replay, record: Record, where: str) -> None:
    course, document = replay.course, replay.contract.document
    # An entry's time is given by the writer; a fact that says no other time always has a good one.
    stated = parse_fact(document, record.organization, record.body, record.time_ms)
    if course.end is None or stated.name not in replay.contract.after_end:
        _check_in_force(replay, f"fact {stated.name}")
    moment = Moment(instant=Instant(max(record.time_ms, course.last_ms)), position=record.position)
    refused = course.judge(stated, course.fact_of(record, stated, moment))
    reason = refused[1] if refused else course.quota.surplus(stated)
    if reason:
        _conflict(f"fact {stated.name}", reason, "one that can still count", f"nothing to do, or {SEE}")


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
    for name, stated in held.stated[fact].items():
        claim = replay.course.claims.get((fact, name))
        if claim is not None and claim.status in (REFUSED, SURPLUS, EXISTS, LATE):
            _conflict(where, f"a fact that is settled: {claim.status}", "one that waits", claim.reason)
        before = stated.rule.before
        if before is not None and replay.course.has_passed(before, stated):
            _conflict(where, f"a fact whose deadline {before} has closed", "one that waits", SEE)
    if any(given.organization == record.organization for given in held.confirms.get(fact, ())):
        _conflict(where, f"confirmed by {record.organization} already", "one confirmation", "nothing to do")


def _check_terminate(replay: Replay, record: Record, where: str) -> None:
    role = record.body["party"]
    signers(replay.contract.document, record.organization, role, record.signatures)
    if role not in replay.contract.document.parties:
        raise ForbiddenError(where, found=f"as {role}", expected="as a party", action=f"parties {TERMINATE}")
    _check_in_force(replay, where)


def _check_correction(replay: Replay, record: Record, where: str) -> None:
    course, contract = replay.course, replay.contract
    check_member(record.organization, tuple(contract.document.parties.values()), where)
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
            found=f"by {record.organization}, whom it favours",
            expected=", ".join(sorted(needed)),
            action="let them sign the same correction",
        )


def _check_replace(replay: Replay, record: Record, where: str) -> None:
    check_person(record, where)
    if record.body["term"] != len(replay.terms):
        _conflict(where, f"term {record.body['term']}", f"term {len(replay.terms)}", SEE)
    if record.body["timekeeper"] == replay.timekeeper:
        _conflict(where, f"{replay.timekeeper}, who keeps the time now", "another organization")
    said = [r for r in replay.held.replacements if r.body["term"] == record.body["term"]]
    if any(r.organization == record.organization for r in said):
        _conflict(where, "said before", "one statement for each term", "the first one counts")
    if replay.outside.head(record.body["head"], replay.timekeeper, MAX_MS) is None:
        raise InvalidError(
            f"{where} head",
            found="a note that is not signed by the timekeeper's log, or not witnessed",
            expected=f"the last witnessed head of {replay.timekeeper}",
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
