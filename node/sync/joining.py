"""Joining: the founder admits a newcomer by its invitation, the newcomer stores what it is answered.

    founder                                       newcomer
    network.invite (hash of a secret)   ──file──▶  home with a log of its own
    checks secret, keys, the whole log  ◀──join──  secret, own log
    network.admit, stores the log       ──logs──▶  stores them, syncs the rest like any member

The same join (same opening) is answered again; another one under a used invitation is refused. If the
founder dies between the admission and the log, the newcomer's next try finds it a member and goes on.
"""

from __future__ import annotations

import threading

from ledger.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MissingError,
    TallyError,
)
from ledger.log.entry import leaf_hash
from ledger.log.intake import OPENING_KIND
from ledger.log.note import ED25519, VerifierKey
from ledger.log.origin import parse_origin
from ledger.log.statement import Statement, parse_statement
from ledger.members.folding import check_admission
from ledger.members.invitation import secret_hash
from ledger.members.network import check_keys
from ledger.members.roster import Member, Roster
from node.intake import read_run
from node.logs import get_log
from node.node import Node
from node.sync.batching import make_batch
from node.sync.serving import ANSWER_SPARE_BYTES
from node.sync.storing import store_batch
from node.sync.wire import MAX_BATCHES, Batch, JoinAnswer, JoinRequest

MIN_BATCH_BYTES = 64 * 1024
NOBODY = ""
"""Stands in no audience."""

log = get_log(__name__)


class Joining:
    """The founder's side."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._one_at_a_time = threading.Lock()

    def join(self, request: JoinRequest) -> JoinAnswer:
        """Admit a newcomer whose invitation holds; give it the network's logs.

        Raises:
            ForbiddenError: no such invitation, or it was used for another log.
            TallyError: what is wrong with the newcomer's log or keys.
        """
        with self._one_at_a_time:
            newcomer = self._check_newcomer(request)
            admitted = self._admit(request, newcomer)
        return JoinAnswer(admitted=admitted, batches=self._batches())

    def _check_newcomer(self, request: JoinRequest) -> Member:
        roster = self._node.state.roster
        batch = request.batch
        organization = parse_origin(batch.origin).organization
        where = f"join of {organization}"
        if self._node.state.organization != roster.founding.founder:
            raise ForbiddenError(
                where, found="a member", expected=roster.founding.founder, action="ask the founder to join"
            )
        if batch.origin != roster.origin(organization):
            raise InvalidError(where, found=batch.origin, expected=roster.origin(organization))
        _invitation_of(roster, organization, request.secret)
        return _opening_of(batch, where)

    def _admit(self, request: JoinRequest, newcomer: Member) -> bytes:
        """The admission's leaf hash: the one that is there, or a new one."""
        node, name = self._node, newcomer.organization
        leaf = _invitation_of(node.state.roster, name, request.secret)
        known = node.state.roster.members.get(name)
        if known is None:
            check_admission(node.state.roster, leaf, name, newcomer.keys)
            vkey = VerifierKey(name=request.batch.origin, key_type=ED25519, public_key=newcomer.keys.log)
            read_run(node.state, request.batch, vkey, newcomer.opening)
            admitted = self._record(leaf, newcomer)
        elif known.opening != newcomer.opening:
            raise ForbiddenError(
                f"join of {name}",
                found="an invitation that another log was admitted by",
                expected="an unused invitation",
                action="ask the founder for a new invitation, in another name",
            )
        else:
            admitted = self._admission_of(name)
        store_batch(node, request.batch)
        return admitted

    def _record(self, invite: bytes, newcomer: Member) -> bytes:
        node = self._node
        body = {
            "invite": invite,
            "keys": newcomer.keys.as_map(),
            "open": newcomer.opening,
            "organization": newcomer.organization,
            "title": newcomer.title,
        }
        draft = node.draft("network.admit", body, idempotency_key=f"admit {invite.hex()}")
        admitted = node.record([draft]).result()[0].leaf
        log.info("admitted a member", organization=newcomer.organization)
        return admitted

    def _admission_of(self, organization: str) -> bytes:
        state, reader = self._node.state, self._node.reader
        numbers = {reader.number(own): own for own in state.roster.logs(state.organization)}
        for number, seq in reader.roster_positions():
            own = numbers.get(number)
            if own is None or state.roster.is_beyond(own, seq):
                continue
            record = reader.record(own, seq)
            if record.statement is None or record.statement.kind != "network.admit":
                continue
            if record.statement.text("organization") == organization:
                return record.leaf
        raise MissingError(
            f"admission of {organization}", found="no entry", expected="a network.admit in an own log"
        )

    def _batches(self) -> list[Batch]:
        """The founder's logs first, since they say whose the others are; as much as fits one answer.

        With the payloads that are for all members: whoever sends an old join again proves no key.
        """
        node = self._node
        state = node.state
        left = node.settings.max_sync_body_bytes - ANSWER_SPARE_BYTES
        batches: list[Batch] = []
        own = state.roster.logs(state.organization)
        for origin in [*own, *sorted(set(state.heads) - set(own))][:MAX_BATCHES]:
            if left < MIN_BATCH_BYTES:
                break
            try:
                batch = make_batch(node, origin, 0, left, NOBODY)
            except MissingError:
                continue  # being caught up itself; the newcomer pulls it later
            batches.append(batch)
            left -= sum(map(len, batch.entries)) + sum(len(payload) for _, _, payload in batch.payloads)
        return batches


def store_join_answer(node: Node, answer: JoinAnswer) -> None:
    """The newcomer's side: check and store the logs that it was answered.

    The admission may stand behind what one answer holds; then the founder's log is to be fetched on.

    Raises:
        ConflictError: the founder's log admits another home in this name.
        TallyError: what is wrong with a log.
    """
    founder = node.state.roster.founding.founder
    for batch in answer.batches:
        if batch.origin == node.state.origin:
            continue
        try:
            store_batch(node, batch, founder)
        except TallyError as error:
            if parse_origin(batch.origin).organization == founder:
                raise
            log.warning("a log was not taken over while joining", origin=batch.origin, error=error)
    state = node.state
    own = leaf_hash(node.reader.entry(state.origin, 0))
    is_known = state.origin in state.roster.logs(state.organization)
    if is_known and state.roster.log(state.origin).opening != own:
        raise ConflictError(
            f"admission of {node.state.organization}",
            found="another log of that name",
            expected="this home's",
            action="ask the founder which home joined in this name",
        )


def _invitation_of(roster: Roster, organization: str, secret: bytes) -> bytes:
    """The leaf hash of the invitation with this secret."""
    wanted = secret_hash(secret)
    for leaf, invitation in roster.invitations.items():
        if invitation.secret == wanted and invitation.organization == organization:
            return leaf
    raise ForbiddenError(
        f"join of {organization}",
        found="no invitation with that secret",
        expected="the secret of an invitation in that name",
        action="ask the founder for an invitation file",
    )


def _opening_of(batch: Batch, where: str) -> Member:
    """Who the newcomer says it is, with keys that may be enrolled; the rest of its log is checked later."""
    if batch.start != 0 or not batch.entries or not batch.payloads or batch.payloads[0][0] != 0:
        raise MalformedError(
            where, found="a part of a log", expected="the whole log, with the payload of entry 0"
        )
    statement: Statement = parse_statement(batch.payloads[0][2], f"{where}, entry 0")
    if statement.kind != OPENING_KIND:
        raise MalformedError(f"{where}, entry 0", found=f"kind {statement.kind}", expected=OPENING_KIND)
    member = Member.of_opening(statement, leaf_hash(batch.entries[0]))
    check_keys(member.keys, where)
    return member
