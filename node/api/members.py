"""Members and people: the roster, invitations, and who acts for this organization."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from ledger.errors import UnavailableError
from ledger.log.encoding import Value
from ledger.members.invitation import SECRET_BYTES, InvitationFile, seal_invitation, secret_hash
from ledger.members.network import format_founding, network_words
from node.api.describe import answers, takes, writes
from node.api.requests import Form, answer, idempotency_key, read_form, record, tell_recorded
from node.drafts import Draft, Recorded
from node.node import Node
from node.views.members import show_network
from node.views.values import read_hash


class InvitationForm(Form):
    """Who is invited: the short name that the organization will have."""

    organization: str = Field(examples=["roastery"])


class PersonForm(Form):
    """A person or device that may act for this organization; `key` is the public key in hex."""

    name: str = Field(examples=["ana"])
    key: str = Field(pattern="^[0-9a-f]{64}$")
    roles: list[str] = Field(examples=[["procurement"]])


FORMS = (InvitationForm, PersonForm)

RecordAlone: TypeAlias = Callable[[Draft], Awaitable[Recorded]]
"""Records a draft while nobody else records one under the same rule."""


def router(node: Node) -> APIRouter:
    """The paths of this module."""
    routes = APIRouter(tags=["members"])
    # One at a time, so that two of them cannot both pass the same rule.
    writing = asyncio.Lock()

    async def record_alone(draft: Draft) -> Recorded:
        async with writing:
            return (await record(node, [draft]))[0]

    @routes.get("/members", summary="The network and its members", responses=answers("The roster"))
    def get_members() -> Response:
        return answer(show_network(node.state))

    @routes.post(
        "/invitations",
        summary="Invite an organization; only the founder can",
        openapi_extra=takes(InvitationForm),
        responses=answers("The invitation file, to be handed over", 201, 200),
        status_code=201,
    )
    async def post_invitation(request: Request) -> Response:
        form = await read_form(request, InvitationForm)
        key = idempotency_key(request)
        invitation = _invitation(node, form.organization, key)
        draft = node.draft(
            "network.invite",
            {"organization": form.organization, "secret": secret_hash(invitation.secret)},
            idempotency_key=key,
        )
        recorded = await record_alone(draft)
        text = seal_invitation(invitation, node.keys.node.seed)
        words = network_words(node.state.roster.network)
        return tell_recorded(
            node, recorded, {"organization": form.organization, "invitation": text, "words": words}
        )

    _serve_people(routes, node, record_alone)
    return routes


def _serve_people(routes: APIRouter, node: Node, record_alone: RecordAlone) -> None:
    """Grants and revocations."""

    @routes.post(
        "/people",
        summary="Grant a person or device roles",
        openapi_extra=takes(PersonForm),
        responses=answers("Where the grant stands", 201, 200),
        status_code=201,
    )
    async def post_person(request: Request) -> Response:
        form = await read_form(request, PersonForm)
        body: dict[str, Value] = {
            "key": read_hash(form.key, "body key"),
            "name": form.name,
            "roles": [*sorted(set(form.roles))],
        }
        draft = node.draft("person.grant", body, idempotency_key=idempotency_key(request))
        return tell_recorded(node, await record_alone(draft))

    @routes.post(
        "/people/{key}/revocation",
        summary="Revoke all roles of a key (named by its key id)",
        openapi_extra=writes(),
        responses=answers("Where the revocation stands", 201, 200),
        status_code=201,
    )
    async def post_revocation(request: Request, key: str) -> Response:
        body = {"key": read_hash(key, "key id")}
        draft = node.draft("person.revoke", body, idempotency_key=idempotency_key(request))
        return tell_recorded(node, await record_alone(draft))


def _invitation(node: Node, organization: str, key: str | None) -> InvitationFile:
    """What the file will say. Under an `Idempotency-Key` the secret is the same each time."""
    address = node.state.roster.addresses.get(node.state.organization)
    if address is None or address.url is None:
        raise UnavailableError(
            "invitation",
            found="no address at which this node can be called",
            expected="one that a newcomer can reach",
            action="set TALLY_URL, or TALLY_HOST and TALLY_PORT, and restart the node",
        )
    if key is None:
        secret = node.world.random(SECRET_BYTES)
    else:
        message = f"tallystick invitation secret\n{organization}\n{key}".encode()
        secret = hmac.digest(node.keys.node.seed, message, hashlib.sha256)
    roster = node.state.roster
    own = roster.member(node.state.organization).keys.node
    return InvitationFile(
        founding=format_founding(roster.founding),
        inviter=node.state.organization,
        organization=organization,
        address=address,
        secret=secret,
        node=None if own == roster.founding.keys.node else own,
    )
