"""`tally agree correct`: other effects in the place of a decision's, signed by those who get less by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.agree import Agreement, SignAs, Yes
from cli.agree_life import Why
from cli.call import Call, call_of
from cli.explained import named
from cli.reading import OpenHome, find_agreement, open_home, read_text
from cli.signing import Signed, check_yes, find_signer, tell_recorded
from contracts.contract import Contract
from contracts.corrections import check_effects, must_sign
from contracts.effects import EffectMap
from contracts.wishes import CORRECT
from contracts.words import Words
from ledger.errors import ConflictError, ForbiddenError, MalformedError, MissingError, UsageError
from ledger.log.encoding import Value
from node.views.agreements import show_agreement
from node.views.values import Json, as_json

MAX_EFFECTS_BYTES = 64 * 1024


DecisionText = Annotated[
    str,
    typer.Argument(metavar="DECISION", help="RULE, RULE:KEY, or the first digits of the decision's hash."),
]
Effects = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The effects that are to stand, a JSON list.", show_default=False),
]
Same = Annotated[
    str | None, typer.Option("--same", metavar="PARTY", help="Sign what this party has signed; no file then.")
]


def correct(
    context: typer.Context,
    agreement: Agreement,
    decision: DecisionText,
    file: Effects = None,
    same: Same = None,
    text: Why = "",
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Correct the effects of a decision; those whom it disfavours sign.

    Without a file it prints the effects as they stand: change what is wrong, save them and sign them.

    \b
    tally agree correct coffee-delivery payment > effects.json
    tally agree correct coffee-delivery payment effects.json --text "the scale was wrong"
    """
    call = call_of(context)
    if file is not None and same is not None:
        raise UsageError("effects", found="a file and --same", expected="one of them")
    said = None if file is None else _read_effects(file)
    with open_home(call.home) as home:
        identity = find_agreement(home, agreement)
        value = show_agreement(home.reader, home.state, home.book, identity)
        firing = _find_firing(value, decision)
        if same is not None:
            said, text = _said_by(value, firing, same, text)
        if said is None:
            _show_standing(call, firing["effects"])
            return
        change = _read_change(home, identity, firing, said)
        change.check_signed_by(home.state.organization)
        for line in change.lines():
            call.tell(line)
        signer = find_signer(home, sign_as)
        check_yes(call, yes, f"Does {signer.person.name} sign that this stands for {named(firing)!r}?")
        sent = Signed(call, home, signer, "correction", {"agreement": identity, **change.body(text)})
        lacking = sorted(change.needed - change.said(value) - {home.state.organization})
    answer = sent.post(f"/agreements/{identity.hex()}/corrections", as_json(change.body(text)))
    until = f"{' and '.join(lacking)} signed the same and " if lacking else ""
    tell_recorded(call, answer, f"It stands once {until}{value['timekeeper']} has counted it.")


def _show_standing(call: Call, effects: list[EffectMap]) -> None:
    call.answer(effects, [json.dumps(effects, ensure_ascii=False, indent=2)])
    call.tell("These stand. Change what is wrong, save them as a file, and name it to sign it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Effects that are to stand in the place of others, and the organizations that have to sign that."""

    contract: Contract
    firing: Json
    effects: tuple[EffectMap, ...]
    needed: frozenset[str]

    def check_signed_by(self, organization: str) -> None:
        """Check, before anybody is asked, that it is a change and needs a signature of an organization."""
        where = f"correction of {named(self.firing)}"
        if self.firing["effects"] == [*self.effects]:
            raise ConflictError(
                where,
                found="the effects that stand",
                expected="others",
                action="nothing to do, or change the file",
            )
        if organization not in self.needed:
            raise ForbiddenError(
                where,
                found=f"by {organization}, whose signature it does not need",
                expected=f"{', '.join(sorted(self.needed))}, who would get less or owe more",
                action="hand the file over to them: once they have signed, it stands",
            )

    def said(self, value: Json) -> set[str]:
        """Who has said the same before, of what waits in an agreement."""
        return {
            organization
            for wish in value["wishes"]
            if (wish["decision"], wish["effects"]) == (self.firing["decision"], [*self.effects])
            for organization in wish["by"]
        }

    def lines(self) -> Iterator[str]:
        """What stands and what is to stand, in words."""
        words = Words(self.contract.document)
        yield from (f"stands now   {words.outcome(effect)}" for effect in self.firing["effects"])
        yield from (f"is to stand  {words.outcome(effect)}" for effect in self.effects)
        if not self.effects:
            yield "is to stand  nothing"

    def body(self, text: str) -> dict[str, Value]:
        """The statement's body, but for the agreement."""
        effects: list[Value] = [
            {key: [*value] if isinstance(value, list) else value for key, value in effect.items()}
            for effect in self.effects
        ]
        return {"decision": bytes.fromhex(self.firing["decision"]), "effects": effects, "text": text}


def _read_change(home: OpenHome, agreement: bytes, firing: Json, said: list[EffectMap]) -> _Change:
    contract = home.book.agreement(home.reader, home.state, agreement).contract
    effects = check_effects(contract, said)
    needed = must_sign(contract, firing["effects"], effects)
    return _Change(contract=contract, firing=firing, effects=effects, needed=needed)


def _find_firing(value: Json, text: str) -> Json:
    """The firing that a person means by its rule, its rule and key, or its decision's hash."""
    firings: list[Json] = value["firings"]
    found = [
        each
        for each in firings
        if text == (each["rule"] if each["key"] is None else f"{each['rule']}:{each['key']}")
    ] or [each for each in firings if each["rule"] == text or each["decision"].startswith(text)]
    known = ", ".join(
        each["rule"] if each["key"] is None else f"{each['rule']}:{each['key']}" for each in firings
    )
    if not found:
        raise MissingError(
            f"decision {text!r} of {value['name']}",
            found="none",
            expected=known or "a rule that has fired: none has yet",
        )
    if len(found) > 1:
        raise ConflictError(f"decision {text!r}", found=f"{len(found)} that fit", expected=f"one of {known}")
    return found[0]


def _said_by(value: Json, firing: Json, party: str, text: str) -> tuple[list[EffectMap], str]:
    """The effects that a party has signed for a decision, and why."""
    found = [
        wish
        for wish in value["wishes"]
        if wish["sort"] == CORRECT and wish["decision"] == firing["decision"] and party in wish["by"]
    ]
    if not found:
        raise MissingError(
            f"correction of {named(firing)}",
            found=f"none by {party} that waits for others",
            expected="one that `tally agree show` lists",
        )
    if len(found) > 1:
        raise ConflictError(
            f"correction of {named(firing)}",
            found=f"{len(found)} by {party} that wait for others",
            expected="one",
            action="name the effects in a file",
        )
    return found[0]["effects"], text or found[0]["text"]


def _read_effects(file: Path) -> list[EffectMap]:
    text = read_text(file, "effects", MAX_EFFECTS_BYTES)
    try:
        effects = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(
            str(file), found=_fault(error), expected="a JSON list of effects", action=_ACTION
        ) from error
    if not isinstance(effects, list) or not all(isinstance(effect, dict) for effect in effects):
        raise MalformedError(
            str(file), found="no list of maps", expected="a JSON list of effects", action=_ACTION
        )
    return effects


def _fault(error: Exception) -> str:
    return str(error) if isinstance(error, json.JSONDecodeError) else "no JSON"


_ACTION = "leave the file out to see the effects as they stand, and change those"
