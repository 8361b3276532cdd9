"""`tally agree withdraw | decline | terminate | correct | handover`: how agreements end and are put right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.agree import Agreement, SignAs, Yes, choose_role, open_proposal
from cli.call import Call, call_of
from cli.client import open_node
from cli.reading import OpenHome, find_agreement, open_home, read_text
from cli.signing import Signer, find_signer, sign_body
from ledger.errors import ForbiddenError, MalformedError, MissingError, short
from ledger.log.encoding import Value
from node.views.agreements import show_agreement
from node.views.values import Json

MAX_EFFECTS_BYTES = 64 * 1024

Role = Annotated[
    str | None, typer.Option("--party", metavar="ROLE", help="The role to sign for, if there are several.")
]
Why = Annotated[str, typer.Option("--text", metavar="TEXT", help="Why, for the other parties to read.")]


def withdraw(context: typer.Context, agreement: Agreement) -> None:
    """Withdraw a proposal of one's own, before it is in force.

    \b
    tally agree withdraw coffee-delivery
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        proposal = open_proposal(value, home.state.organization)
    with open_node(call.home) as node:
        answer = node.post(f"/agreements/{identity.hex()}/withdrawals", {"proposal": proposal})
    _tell(call, answer, f"Withdrawn once {value['timekeeper']} has counted it.")


def decline(context: typer.Context, agreement: Agreement, sign_as: SignAs = None, yes: Yes = False) -> None:
    """Decline a proposal, before it is in force.

    \b
    tally agree decline coffee-delivery
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        proposal = open_proposal(value)
        signer = find_signer(home, sign_as)
        _ask(call, yes, f"Does {signer.person.name} decline {value['name']!r}?")
        body: dict[str, Value] = {"agreement": identity, "proposal": bytes.fromhex(proposal)}
        sent = _Signed(call, home, signer, "agreement.decline", body)
    answer = sent.post(f"/agreements/{identity.hex()}/declines", {"proposal": proposal})
    _tell(call, answer, f"Declined once {value['timekeeper']} has counted it.")


def terminate(
    context: typer.Context,
    agreement: Agreement,
    party: Role = None,
    text: Why = "",
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """End an agreement, together with the other parties or by a permission to.

    \b
    tally agree terminate coffee-delivery --text "by mutual consent"
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        role = choose_role(value, party)
        signer = find_signer(home, sign_as, value["sign"][role]["of"])
        _ask(call, yes, f"Does {signer.person.name} end {value['name']!r} as {role}?")
        body: dict[str, Value] = {"agreement": identity, "party": role, "text": text}
        sent = _Signed(call, home, signer, "agreement.terminate", body)
    answer = sent.post(f"/agreements/{identity.hex()}/terminations", {"party": role, "text": text})
    _tell(
        call,
        answer,
        "It ends once every party has said so, or the holder of a permission, and it is counted.",
    )


def correct(
    context: typer.Context,
    agreement: Agreement,
    decision: Annotated[
        str, typer.Argument(metavar="DECISION", help="The decision's hash, or the first digits of it.")
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The effects that are to stand, as a JSON list.")
    ],
    text: Why = "",
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Correct the effects of a decision; those whom it disfavours sign.

    `tally agree show --json` has the effects as they stand.

    \b
    tally agree correct coffee-delivery 5f2a91 effects.json --text "the scale was wrong"
    """
    call = call_of(context)
    effects = _read_effects(file)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        found = [f for f in value["firings"] if f["decision"].startswith(decision)]
        if len(found) != 1:
            raise MissingError(
                f"decision {decision}",
                found=f"{len(found)} decisions",
                expected=", ".join(short(f["decision"]) for f in value["firings"]) or "a decision",
            )
        signer = find_signer(home, sign_as)
        for effect in effects:
            call.tell(f"  {json.dumps(effect, ensure_ascii=False)}")
        _ask(call, yes, f"Does {signer.person.name} sign that these stand for {found[0]['rule']!r}?")
        told: Json = {"decision": found[0]["decision"], "effects": effects, "text": text}
        body: dict[str, Value] = {
            "agreement": identity,
            "decision": bytes.fromhex(told["decision"]),
            "effects": [*effects],
            "text": text,
        }
        sent = _Signed(call, home, signer, "correction", body)
    answer = sent.post(f"/agreements/{identity.hex()}/corrections", told)
    _tell(call, answer, "They stand once all whom they disfavour have signed the same and it is counted.")


def handover(
    context: typer.Context,
    agreement: Agreement,
    timekeeper: Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Who is to keep the time.")],
    sign_as: SignAs = None,
    yes: Yes = False,
) -> None:
    """Put another timekeeper in the place of a silent one.

    What the silent one counted up to the last head that this home knows as witnessed stands. All parties say
    the same, or more than half of the other members where the contract names the successor: where a party has
    said it before, the head that it named is named again.

    \b
    tally agree handover coffee-delivery hub
    """
    call = call_of(context)
    with open_home(call.home) as home:
        identity, value = _show(home, agreement)
        head = _head_to_name(call, home, identity, value["timekeeper"], timekeeper)
        signer = find_signer(home, sign_as)
        _ask(call, yes, f"Does {signer.person.name} put {timekeeper} in place of {value['timekeeper']}?")
        told: Json = {"head": head, "term": value["term"] + 1, "timekeeper": timekeeper}
        body: dict[str, Value] = {"agreement": identity, **told}
        sent = _Signed(call, home, signer, "timekeeper.replace", body)
    answer = sent.post(f"/agreements/{identity.hex()}/timekeepers", told)
    _tell(call, answer, f"{timekeeper} keeps the time once the others have said the same and it goes on.")


class _Signed:
    """A body that a person signed here, to be sent to the node."""

    def __init__(self, call: Call, home: OpenHome, signer: Signer, kind: str, body: dict[str, Value]) -> None:
        self.call = call
        self.key, self.signed = sign_body(call, home, signer, kind, body)

    def post(self, path: str, body: Json) -> Any:
        with open_node(self.call.home) as node:
            return node.post(path, {**body, **self.signed}, key=self.key)


def _show(home: OpenHome, agreement: str) -> tuple[bytes, Json]:
    identity = find_agreement(home, agreement)
    return identity, show_agreement(home.reader, home.state, home.book, identity)


def _ask(call: Call, yes: bool, question: str) -> None:
    if not yes and not call.confirm(question):
        raise ForbiddenError("signature", found="a no", expected="a yes")


def _tell(call: Call, answer: Json, text: str) -> None:
    call.answer(answer, [f"entry {answer['seq']}  {answer['leaf']}"])
    call.tell(text)


def _read_effects(file: Path) -> list[dict[str, Value]]:
    text = read_text(file, "effects", MAX_EFFECTS_BYTES)
    try:
        effects = json.loads(text)
    except ValueError as error:
        raise MalformedError(str(file), found=short(str(error)), expected="a JSON list of effects") from error
    if not isinstance(effects, list) or not all(isinstance(effect, dict) for effect in effects):
        raise MalformedError(str(file), found="no list of maps", expected="a JSON list of effects")
    return effects


def _head_to_name(call: Call, home: OpenHome, agreement: bytes, before: str, timekeeper: str) -> str:
    """The head that a party named who came first, if it can be checked here; else the last witnessed one."""
    with home.book.replay(home.reader, home.state, agreement) as replay:
        stated = replay.stated_for(timekeeper)
    if stated is None:
        return _witnessed_head(home, before)
    record, cut = stated
    if cut is None:
        call.tell(
            f"Note: {record.organization} named a head of {before}'s log that cannot be checked here. "
            "This home names its own; the two do not count together."
        )
        return _witnessed_head(home, before)
    origin, size = cut
    call.tell(
        f"{record.organization} has said so before, and the head that it named is named again: "
        f"what {before} counted from entry {size} of {origin} on is void."
    )
    return str(record.body["head"])


def _witnessed_head(home: OpenHome, timekeeper: str) -> str:
    head = home.state.head(home.state.roster.origin(timekeeper))
    if head.witnessed is None:
        raise MissingError(
            f"log of {timekeeper}", found="no witnessed head", expected="one", action="sync first"
        )
    return head.witnessed.note
