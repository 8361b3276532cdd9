"""How agreements end and are put right, over HTTP: withdrawn, declined, terminated, corrected, handed over.

As with signatures, a person signs where the key is: the client sends nonce and signatures over the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ledger.log.encoding import Value
from node.api.agreement_forms import Hash, SignedForm
from node.api.describe import answers, takes
from node.api.requests import Form, idempotency_key, in_thread, read_form
from node.views.values import read_hash


class WithdrawalForm(Form):
    """The proposal of this organization that is withdrawn, by its leaf hash."""

    proposal: Hash


class DeclineForm(SignedForm):
    """The proposal that is declined, by its leaf hash."""

    proposal: Hash


class TerminationForm(SignedForm):
    """A party's wish to end the agreement, and why."""

    party: str = Field(description="The role in the contract that is signed for")
    text: str = Field(max_length=4000)


class CorrectionForm(SignedForm):
    """What is to stand in place of a decision's effects, and why."""

    decision: Hash
    effects: list[dict[str, str | list[str]]] = Field(max_length=16)
    text: str = Field(max_length=4000)


class HandoverForm(SignedForm):
    """Who is to keep the time from now on, and the last witnessed head of the log of the one before.

    Any member may say so, also of an agreement whose document it does not hold.
    """

    head: str = Field(max_length=64 * 1024, description="A signed note of the timekeeper's log")
    term: int = Field(ge=1, le=2**31)
    timekeeper: str


F = TypeVar("F", bound=SignedForm)
LIFE_FORMS = (WithdrawalForm, DeclineForm, TerminationForm, CorrectionForm, HandoverForm)


class Desk(Protocol):
    """Where statements about agreements are written, one at a time."""

    def sign(
        self, kind: str, about: bytes, body: dict[str, Value], form: SignedForm, key: str | None
    ) -> Response:
        """Record a statement that people signed."""

    def state(self, kind: str, about: bytes, body: dict[str, Value], key: str | None) -> Response:
        """Record a statement that nobody signed."""


def _decline(form: DeclineForm) -> dict[str, Value]:
    return {"proposal": read_hash(form.proposal, "body proposal")}


def _terminate(form: TerminationForm) -> dict[str, Value]:
    return {"party": form.party, "text": form.text}


def _correct(form: CorrectionForm) -> dict[str, Value]:
    effects: list[Value] = [_effect(effect) for effect in form.effects]
    return {"decision": read_hash(form.decision, "body decision"), "effects": effects, "text": form.text}


def _effect(effect: Mapping[str, str | list[str]]) -> dict[str, Value]:
    return {key: [*value] if isinstance(value, list) else value for key, value in effect.items()}


def _hand_over(form: HandoverForm) -> dict[str, Value]:
    return {"head": form.head, "term": form.term, "timekeeper": form.timekeeper}


def add_life(routes: APIRouter, desk: Desk) -> None:
    """The paths under which an agreement ends or is put right."""

    @routes.post(
        "/agreements/{agreement}/withdrawals",
        summary="Withdraw an own proposal",
        openapi_extra=takes(WithdrawalForm),
        responses=answers("Where the withdrawal stands", 201, 200),
        status_code=201,
    )
    async def post_withdrawal(request: Request, agreement: str) -> Response:
        form = await read_form(request, WithdrawalForm)
        key, about = idempotency_key(request), read_hash(agreement, "agreement hash")
        body: dict[str, Value] = {"agreement": about, "proposal": read_hash(form.proposal, "body proposal")}
        return await in_thread(lambda: desk.state("agreement.withdraw", about, body, key))

    _add(routes, desk, "declines", "agreement.decline", DeclineForm, _decline, "Decline a proposal")
    _add(
        routes,
        desk,
        "terminations",
        "agreement.terminate",
        TerminationForm,
        _terminate,
        "End an agreement, together or by a permission to",
    )
    _add(routes, desk, "corrections", "correction", CorrectionForm, _correct, "Correct a decision's effects")
    _add(
        routes,
        desk,
        "timekeepers",
        "timekeeper.replace",
        HandoverForm,
        _hand_over,
        "Put another timekeeper in the place of a silent one",
    )


def _add(
    routes: APIRouter,
    desk: Desk,
    path: str,
    kind: str,
    form_type: type[F],
    body_of: Callable[[F], dict[str, Value]],
    summary: str,
) -> None:
    """One path that takes a statement which people signed."""

    @routes.post(
        f"/agreements/{{agreement}}/{path}",
        summary=summary,
        operation_id=f"post_{path}",
        openapi_extra=takes(form_type),
        responses=answers("Where the statement stands", 201, 200),
        status_code=201,
    )
    async def post(request: Request, agreement: str) -> Response:
        form = await read_form(request, form_type)
        key, about = idempotency_key(request), read_hash(agreement, "agreement hash")
        body = {"agreement": about, **body_of(form)}
        return await in_thread(lambda: desk.sign(kind, about, body, form, key))
