"""Agreements: proposing, signing, stating and confirming facts, and what follows from them.

A person signs where the key is, never here: the client sends the nonce and the signatures that it made over
the body as docs/format.md says.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from contracts.checker import check_document
from contracts.document import agreement_hash, format_document
from contracts.reading import parse_contract_yaml
from contracts.render import render_text
from ledger.errors import InvalidError, MalformedError, short
from ledger.log.encoding import Value
from ledger.log.kinds import KINDS
from ledger.log.statement import NONCE_BYTES, PersonSignature, Statement
from node.api.agreement_forms import Hash, SignatureForm, SignedForm
from node.api.agreement_life import LIFE_FORMS, add_life
from node.api.describe import answers, takes, takes_text
from node.api.requests import (
    JSON,
    Form,
    answer,
    check_media,
    check_signed_nonce,
    idempotency_key,
    in_thread,
    read_form,
    tell_recorded,
)
from node.clerk import audience_of
from node.drafts import Draft, Recorded, make_draft
from node.node import Node
from node.views.agreements import (
    explain_agreement,
    show_agreement,
)
from node.views.listing import (
    DEFAULT_PAGE_ITEMS,
    MAX_PAGE_ITEMS,
    list_agreements,
    list_due,
    list_obligations,
)
from node.views.values import format_time, read_hash

YAML = "application/yaml"
ALL_MEMBERS = "members"

Start = Annotated[int, Query(alias="from", ge=0, le=2**53, description="First place to show.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_ITEMS, description="How many to show.")]

_YAML_SCHEMA = {"type": "string", "description": "A contract, see docs/contract-language.md"}


class ProposalForm(Form):
    """An offer. It reaches the parties and the timekeeper, or all `members`; `until` in milliseconds."""

    document: str = Field(description="The contract as YAML")
    audience: Literal["members"] | None = None
    until: int | None = Field(default=None, ge=0, le=2**53)
    replaces: Hash | None = None


class AgreementSignatureForm(SignedForm):
    """A party's signature on a proposal, named by its leaf hash."""

    party: str = Field(description="The role in the contract that is signed for")
    proposal: Hash


class FactForm(Form):
    """A fact that this organization states."""

    agreement: Hash
    name: str
    fields: dict[str, str] = Field(default_factory=dict)
    cites: list[str] = Field(default_factory=list, description="Leaf hashes of entries it relies on")
    attachments: list[str] = Field(default_factory=list, description="SHA-256 of documents")


class ConfirmationForm(SignedForm):
    """A confirmation of a fact, named by its leaf hash."""

    agreement: Hash
    fact: Hash


FORMS = (ProposalForm, AgreementSignatureForm, FactForm, ConfirmationForm, *LIFE_FORMS)


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["agreements"])
    _add_reads(routes, node)
    desk = _Desk(node)
    _add_writes(routes, desk)
    _add_facts(routes, desk)
    add_life(routes, desk)
    return routes


def _add_reads(routes: APIRouter, node: Node) -> None:
    @routes.get("/agreements", summary="Every agreement that is known here", responses=answers("A page"))
    def get_agreements(start: Start = 0, limit: Limit = DEFAULT_PAGE_ITEMS) -> Response:
        return answer(list_agreements(node.reader, node.state, node.book, start=start, limit=limit))

    @routes.get(
        "/agreements/{agreement}", summary="All that is known of one", responses=answers("The agreement")
    )
    def get_agreement(agreement: str) -> Response:
        return answer(
            show_agreement(node.reader, node.state, node.book, read_hash(agreement, "agreement hash"))
        )

    @routes.get(
        "/agreements/{agreement}/explain",
        summary="Why its rules have fired or not",
        responses=answers("Each rule with its conditions"),
    )
    def get_explanation(agreement: str) -> Response:
        return answer(
            explain_agreement(node.reader, node.state, node.book, read_hash(agreement, "agreement hash"))
        )

    @routes.get("/due", summary="Amounts due, from whom to whom and why", responses=answers("A list"))
    def get_due(
        organization: Annotated[str | None, Query(description="Only what this one owes or gets.")] = None,
        start: Start = 0,
        limit: Limit = DEFAULT_PAGE_ITEMS,
    ) -> Response:
        page = list_due(
            node.reader, node.state, node.book, start=start, limit=limit, organization=organization
        )
        return answer(page)

    @routes.get("/obligations", summary="Obligations that are open", responses=answers("A list"))
    def get_obligations(start: Start = 0, limit: Limit = DEFAULT_PAGE_ITEMS) -> Response:
        return answer(list_obligations(node.reader, node.state, node.book, start=start, limit=limit))


def _add_writes(routes: APIRouter, desk: _Desk) -> None:
    @routes.post(
        "/agreements",
        summary="Propose an agreement",
        openapi_extra=takes_text(YAML, schema=_YAML_SCHEMA, form=ProposalForm),
        responses=answers("The agreement's hash, and where the proposal stands", 201, 200),
        status_code=201,
    )
    async def post_agreement(request: Request) -> Response:
        key = idempotency_key(request)
        if check_media(request, JSON, YAML, "application/x-yaml", "text/yaml") == JSON:
            form = await read_form(request, ProposalForm)
            text = form.document.encode()
        else:
            form, text = ProposalForm(document=""), await request.body()
        return await in_thread(lambda: desk.propose(text, form, key))

    @routes.post(
        "/agreements/{agreement}/signatures",
        summary="Sign a proposal with signatures made by people",
        openapi_extra=takes(AgreementSignatureForm),
        responses=answers("Where the signature stands", 201, 200),
        status_code=201,
    )
    async def post_signature(request: Request, agreement: str) -> Response:
        form = await read_form(request, AgreementSignatureForm)
        key = idempotency_key(request)
        about = read_hash(agreement, "agreement hash")
        body: dict[str, Value] = {
            "agreement": about,
            "party": form.party,
            "proposal": read_hash(form.proposal, "body proposal"),
        }
        return await in_thread(lambda: desk.sign("agreement.sign", about, body, form, key))


def _add_facts(routes: APIRouter, desk: _Desk) -> None:
    @routes.post(
        "/facts",
        summary="State a fact of an agreement in force",
        openapi_extra=takes(FactForm),
        responses=answers("Where the fact stands", 201, 200),
        status_code=201,
    )
    async def post_fact(request: Request) -> Response:
        form = await read_form(request, FactForm)
        key = idempotency_key(request)
        return await in_thread(lambda: desk.state_fact(form, key))

    @routes.post(
        "/confirmations",
        summary="Confirm a fact with signatures made by people",
        openapi_extra=takes(ConfirmationForm),
        responses=answers("Where the confirmation stands", 201, 200),
        status_code=201,
    )
    async def post_confirmation(request: Request) -> Response:
        form = await read_form(request, ConfirmationForm)
        key = idempotency_key(request)
        about = read_hash(form.agreement, "body agreement")
        body: dict[str, Value] = {"agreement": about, "fact": read_hash(form.fact, "body fact")}
        return await in_thread(lambda: desk.sign("confirm", about, body, form, key))


class _Desk:
    """Writes about agreements, one at a time, so that two of them cannot both pass the same rule."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()

    def propose(self, text: bytes, form: ProposalForm, key: str | None) -> Response:
        document = parse_contract_yaml(text)
        report = check_document(document)
        signed = format_document(document)
        if form.until is not None and form.until <= self._node.world.now_ms():
            raise InvalidError(
                "body until",
                found=f"{format_time(form.until)}, which has passed",
                expected="a time to come",
                action="say until when the offer stands",
            )
        body: dict[str, Value] = {
            "document": signed,
            "replaces": None if form.replaces is None else read_hash(form.replaces, "body replaces"),
            "until": form.until,
        }
        audience = None if form.audience == ALL_MEMBERS else document.audience()
        draft = self._node.draft("agreement.propose", body, audience=audience, idempotency_key=key)
        recorded = self._record(draft)
        return tell_recorded(
            self._node,
            recorded,
            {
                "agreement": agreement_hash(signed).hex(),
                "proposal": recorded.leaf.hex(),
                "name": document.name,
                "text": render_text(document),
                "warnings": [problem.advice for problem in report.warnings],
            },
        )

    def sign(
        self, kind: str, about: bytes, body: dict[str, Value], form: SignedForm, key: str | None
    ) -> Response:
        nonce = _read_hex(form.nonce, NONCE_BYTES, "body nonce")
        check_signed_nonce(nonce, key)
        statement = Statement(
            kind=kind,
            audience=None if KINDS[kind].public else self._audience(about),
            body=body,
            nonce=nonce,
            signatures=_signatures(form.signatures),
        )
        return tell_recorded(self._node, self._record(make_draft(statement)))

    def state_fact(self, form: FactForm, key: str | None) -> Response:
        about = read_hash(form.agreement, "body agreement")
        body: dict[str, Value] = {
            "agreement": about,
            "attachments": [read_hash(text, "body attachments") for text in form.attachments],
            "cites": [read_hash(text, "body cites") for text in form.cites],
            "fields": dict(form.fields),
            "name": form.name,
        }
        return self.state("fact", about, body, key)

    def state(self, kind: str, about: bytes, body: dict[str, Value], key: str | None) -> Response:
        draft = self._node.draft(kind, body, audience=self._audience(about), idempotency_key=key)
        return tell_recorded(self._node, self._record(draft))

    def _audience(self, about: bytes) -> tuple[str, ...]:
        """Everyone who takes part in an agreement."""
        with self._node.book.replay(self._node.reader, self._node.state, about) as replay:
            return audience_of(replay)

    def _record(self, draft: Draft) -> Recorded:
        with self._lock:
            return self._node.record([draft]).result()[0]


def _signatures(forms: Sequence[SignatureForm]) -> tuple[PersonSignature, ...]:
    read = [
        PersonSignature(
            key=read_hash(form.key, f"body signatures.{i}.key"),
            role=form.role,
            signature=_read_hex(form.signature, 64, f"body signatures.{i}.signature"),
        )
        for i, form in enumerate(forms)
    ]
    return tuple(sorted(read, key=lambda signature: signature.key))


def _read_hex(text: str, length: int, where: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != length or data.hex() != text:
        raise MalformedError(where, found=short(text), expected=f"{2 * length} digits of lowercase hex")
    return data
