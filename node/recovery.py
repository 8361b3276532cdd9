"""Recovery: the next log of an organization that lost its keys, or its log's newest entries.

The log before it ends at the *pin*: the highest head of it that somebody cosigned, as this home and every
partner that answers know it, or the own newest one where that goes on from there. A member that cosigned a
higher head refuses the opening, so as many partners as possible are asked first.

The opening takes these steps; each says what is there if we die after it:

1. new key files in `keys/next` (`node.homekeys`). Nothing has changed.
2. the mark outside says that the next log is opening (`node.place`). The home, still at the log before,
   counts as restored and hears its partners; this can be done again.
3. one commit: entry 0 of the next log, people's grants, and the place. The home goes on in the next log.
4. the mark says open, and the new keys take their places. The next start does what is left of it.

The log before stays in the home as a copy that anybody may read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from sqlite_utils import Database

from ledger.errors import ConflictError, InvalidError, TallyError, UnavailableError, short
from ledger.log.checkpoint import Checkpoint
from ledger.log.encoding import Value
from ledger.log.intake import Copy
from ledger.log.note import MAX_NOTE_BYTES, add_signatures, log_vkey, parse_note
from ledger.log.origin import parse_origin
from ledger.log.signature import public_key
from ledger.log.statement import Statement, node_nonce
from ledger.members.network import MemberKeys, format_founding, recovery_hash
from ledger.members.people import Person
from ledger.members.reopening import Reopening, seal_opening
from ledger.members.roster import Address
from ledger.members.witnessing import witness_named
from node.caution import Caution, write_caution
from node.config import Settings
from node.disk import unwritable
from node.drafts import make_draft
from node.home import DATABASE
from node.homekeys import KEY_NAMES, KEYS, enrolled_keys, make_next_keys, put_in_use
from node.keyfiles import INTERACTIVE_COST, Cost, KeyPair, read_key
from node.lock import lock_home
from node.metrics import Metrics
from node.place import look_here, machine_id, next_place, open_mark, read_mark
from node.signing import sign_request
from node.state import Head, State, load_state
from node.store.place_record import read_place
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.sync.calls import Call
from node.sync.evidence import root_at
from node.sync.http import HttpTransport
from node.sync.notes import OpenedNote, open_note, without_known
from node.world import World
from node.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a partner said of the log: its head of it, or why there is none."""

    partner: str
    head: OpenedNote | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """Entries that somebody shows beyond the pin, or beside it; `holder` is empty for this home itself."""

    holder: str
    size: int
    cosigners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What opening the next log would do."""

    before: str
    origin: str
    pin: OpenedNote
    cosigners: tuple[str, ...]
    answers: tuple[Answer, ...]
    beyond: tuple[Beyond, ...]
    people: tuple[Person, ...]
    """Those who act for the organization in the log before."""

    @property
    def size(self) -> int:
        """How many entries of the log before stand."""
        return self.pin.checkpoint.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a recovery works with; `state_folder` is where the machine keeps its marks (`node.place`)."""

    passphrase: bytes
    world: World
    settings: Settings
    state_folder: Path
    cost: Cost = field(default=INTERACTIVE_COST)


class Recovery:
    """A home that is held while its next log is planned and opened."""

    def __init__(self, home: Path, database: Database, means: Means) -> None:
        self._home = home
        self._database = database
        self._means = means
        self._reader = Reader(database)
        self.state = load_state(self._reader)

    def plan(self, recovery_key: bytes, *, ignored: Collection[str] = ()) -> Plan:
        """Ask every partner but those that are ignored for its head of the log, and choose the pin.

        Raises:
            InvalidError: it is not the recovery key that the log named last.
            ConflictError: a partner knows the next log already.
            UnavailableError: this organization is no member, or its log has no signed head.
        """
        state = self.state
        enrolled = enrolled_keys(state)
        if enrolled is None:
            raise UnavailableError(
                str(self._home),
                found="a home that has not joined its network yet",
                expected="a member's home",
                action="join with the invitation; an empty home needs no recovery",
            )
        put_in_use(self._home, enrolled)
        if recovery_hash(recovery_key) != enrolled.recovery:
            raise InvalidError(
                "recovery key",
                found=f"public key {recovery_key.hex()[:16]}…",
                expected=f"the key that {state.origin} named",
                action="take the recovery key that was made last: see `tally keys list`",
            )
        answers = asyncio.run(self._ask(set(ignored)))
        heads = [answer.head for answer in answers if answer.head is not None]
        pin = choose_pin(self._reader, state, heads)
        return Plan(
            before=state.origin,
            origin=state.roster.next_origin(state.organization),
            pin=pin,
            cosigners=cosigners_of(pin),
            answers=tuple(answers),
            beyond=tuple(find_beyond(self._reader, state, pin, answers)),
            people=tuple(
                grants[-1]
                for grants in state.roster.people_of(state.origin).values()
                if grants[-1].revoked_at is None
            ),
        )

    def open(self, plan: Plan, recovery_seed: bytes, people: Sequence[Person] = ()) -> State:
        """Open the next log, granting these people their roles anew; the steps stand in the module."""
        means, state = self._means, self.state
        seeds = make_next_keys(self._home, KEY_NAMES, means.passphrase, means.world, means.cost)
        keys = MemberKeys(
            log=public_key(seeds["log"]),
            node=public_key(seeds["node"]),
            recovery=recovery_hash(public_key(seeds["recovery"])),
            witness=public_key(seeds["witness"]),
        )
        member = state.roster.member(state.organization)
        reopening = Reopening(
            founding=format_founding(state.roster.founding),
            organization=state.organization,
            title=member.title,
            number=parse_origin(plan.origin).number,
            keys=keys,
            pin=plan.pin.note,
        )
        statements: list[tuple[str, dict[str, Value]]] = [
            ("log.open", seal_opening(reopening, recovery_seed))
        ]
        statements += [
            ("person.grant", {"key": person.key, "name": person.name, "roles": list(person.roles)})
            for person in people
        ]
        opened = self._commit(plan.origin, seeds["log"], statements)
        put_in_use(self._home, keys)
        write_caution(self._home, plan.origin, Caution())
        return opened

    def _commit(self, origin: str, seed: bytes, statements: Sequence[tuple[str, dict[str, Value]]]) -> State:
        means = self._means
        recorded = read_place(self._database)
        machine = machine_id(means.state_folder, random=means.world.random)
        here = look_here(self._home, recorded, machine, database=DATABASE)
        place = next_place(recorded, read_mark(means.state_folder, recorded.home), here)
        number = parse_origin(origin).number
        file = open_mark(means.state_folder, place, size=0, root=bytes(32), number=number)
        empty = Head(number=0, copy=Copy(origin=origin, last=self.state.roster.network))
        writer = Writer(
            database=self._database,
            state=replace(self.state, origin=origin, heads={**self.state.heads, origin: empty}),
            vkey=log_vkey(origin, seed),
            log_seed=seed,
            world=means.world,
            metrics=Metrics(),
            raise_mark=lambda size, root: None,
        )
        drafts = [
            make_draft(
                Statement(kind=kind, audience=None, body=body, nonce=node_nonce(means.world.random(16)))
            )
            for kind, body in statements
        ]
        # Both wait when the writer begins, so they are one commit.
        jobs = [writer.store_place(place), writer.append(drafts)]
        writer.start()
        try:
            for job in jobs:
                job.result()
        finally:
            writer.stop()
        own = writer.state.own.copy
        file.confirm()
        file.raise_mark(own.size, own.root)
        file.close()
        return writer.state

    # Partners

    async def _ask(self, ignored: Collection[str]) -> list[Answer]:
        roster = self.state.roster
        transport = HttpTransport(
            lambda partner: roster.addresses.get(partner, Address()),
            timeout_s=self._means.settings.partner_timeout_s,
            key_of=lambda partner: roster.member(partner).keys.node,
        )
        names = [name for name in self.state.partners() if name not in ignored]
        node_key = self._node_key()
        try:
            return list(await asyncio.gather(*(self._ask_one(transport, name, node_key) for name in names)))
        finally:
            await transport.close()

    async def _ask_one(self, transport: HttpTransport, partner: str, node_key: KeyPair | None) -> Answer:
        state = self.state
        address = state.roster.addresses.get(partner)
        if address is None or address.url is None:
            return Answer(partner=partner, error="has no address at which it could be asked")
        following = state.roster.next_origin(state.organization)
        try:
            if await self._checkpoint(transport, partner, following, node_key) is not None:
                raise ConflictError(
                    f"log {following}",
                    found=f"a log that {partner} holds already",
                    expected="a log that nobody has opened",
                    action=f"go on with the home that opened it; if {partner} is wrong: --ignore {partner}",
                )
            note = await self._checkpoint(transport, partner, state.origin, node_key)
            if note is None:
                return Answer(partner=partner, error=f"holds nothing of {state.origin}")
            return Answer(partner=partner, head=open_note(state.roster, note))
        except ConflictError:
            raise
        except TallyError as error:
            return Answer(partner=partner, error=str(error))

    async def _checkpoint(
        self, transport: HttpTransport, partner: str, origin: str, node_key: KeyPair | None
    ) -> str | None:
        """A partner's newest note of a log by the open path; signed where the own node key is still here."""
        path = f"/log/{sha256(origin.encode()).hexdigest()}/checkpoint"
        headers: Mapping[str, str] = {}
        if node_key is not None:
            headers = sign_request(
                seed=node_key.seed,
                sender=self.state.origin,
                recipient=self.state.roster.origin(partner),
                method="GET",
                path=path,
                query="",
                body=b"",
                now_s=self._means.world.now_ms() // 1000,
            )
        call = Call(path=path, body=b"", method="GET", headers=headers, max_answer_bytes=MAX_NOTE_BYTES)
        reply = await transport.request(partner, call)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise UnavailableError(
                f"{partner}: {short(path)}", found=f"status {reply.status}", expected="a signed note"
            )
        try:
            return reply.body.decode()
        except UnicodeDecodeError as error:
            raise InvalidError(partner, found="bytes that are no text", expected="a signed note") from error

    def _node_key(self) -> KeyPair | None:
        try:
            return read_key(self._home / KEYS / "node.key", self._means.passphrase)
        except TallyError:
            return None  # lost as well: then only open paths answer


@contextmanager
def hold_home(home: Path, means: Means) -> Iterator[Recovery]:
    """A home that no node runs, for as long as its next log is planned and opened.

    Raises:
        MissingError: there is no home.
        ConflictError: a node runs it.
    """
    with lock_home(home):
        database = connect(home / DATABASE, write=True)
        try:
            migrate(database)
            yield Recovery(home, database, means)
        except OSError as error:
            raise unwritable(home, error) from error
        finally:
            database.close()


def cosigners_of(head: OpenedNote) -> tuple[str, ...]:
    """The members whose cosignatures stand on a note that was opened."""
    return tuple(sorted(filter(None, (witness_named(s.name) for s in parse_note(head.note).signatures))))


def choose_pin(reader: Reader, state: State, heads: Sequence[OpenedNote]) -> OpenedNote:
    """The highest head that somebody cosigned, or the own newest one where it goes on from there."""
    known = [open_note(state.roster, kept.note) for kept in state.own.notes()]
    whole = [head for head in known if head.checkpoint.size == state.own.copy.size]
    cosigned = [head for head in (*known, *heads) if cosigners_of(head)]
    best = max(cosigned, key=lambda head: head.checkpoint.size, default=None)
    if best is None or (whole and _fits(reader, state, best.checkpoint)):
        chosen = [*whole, *known]
        if not chosen:
            raise UnavailableError(
                f"log {state.origin}", found="no signed head", expected="one", action="run `tally verify`"
            )
        own = chosen[0]
        if best is not None and best.checkpoint == own.checkpoint:
            return _merged(own, best)
        return own
    return best


def _merged(own: OpenedNote, told: OpenedNote) -> OpenedNote:
    _, _, lines = without_known(told.note, own.note).rpartition("\n\n")
    return replace(own, note=add_signatures(own.note, lines))


def _fits(reader: Reader, state: State, checkpoint: Checkpoint) -> bool:
    """Whether a head is one of the entries that are here."""
    own = state.own
    return 0 < checkpoint.size <= own.copy.size and root_at(reader, own, checkpoint.size) == checkpoint.root


def find_beyond(reader: Reader, state: State, pin: OpenedNote, answers: Sequence[Answer]) -> Iterator[Beyond]:
    """Who shows entries that the pin does not cover."""
    size = state.own.copy.size
    is_ours = _fits(reader, state, pin.checkpoint)
    if size > pin.checkpoint.size or (size == pin.checkpoint.size and not is_ours):
        yield Beyond(holder="", size=size, cosigners=())
    for answer in answers:
        head = answer.head
        if head is None:
            continue
        is_beside = is_ours and head.checkpoint.size <= size and not _fits(reader, state, head.checkpoint)
        if head.checkpoint.size > pin.checkpoint.size or is_beside:
            yield Beyond(holder=answer.partner, size=head.checkpoint.size, cosigners=cosigners_of(head))
