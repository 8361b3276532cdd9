"""Running a node: everything put together, from the lock on the home to the last answer.

    lock ─ open home ─ judge its place ─ writer ─ sync, clerk, HTTP ─ say the own address ─ … ─ SIGTERM

Clean shutdown goes the other way: no new connections, requests in flight are answered, loops end, the
writer puts on disk what waits, and the lock is given up.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from ledger.errors import (
    ConflictError,
    InvalidError,
    MissingError,
    RollbackError,
    TallyError,
    UnavailableError,
)
from ledger.members.invitation import InvitationFile, check_inviter
from ledger.members.network import network_id
from ledger.members.roster import Address
from node.api.app import create_app
from node.api.sync import sync_router
from node.api.tiles import tiles_router
from node.api.witness import witness_router
from node.bond import Bond
from node.clerk import Clerk
from node.config import Settings, load_settings
from node.home import NewHome, newcomer_home
from node.lock import lock_home
from node.logs import get_log
from node.node import Node
from node.server import NodeServer, limits_of, make_server
from node.sync.batching import make_batch
from node.sync.calls import Calls
from node.sync.engine import Engine
from node.sync.http import HttpTransport
from node.sync.joining import store_join_answer
from node.sync.outside import Outside, outside_transport
from node.sync.pulling import PULL_BYTES
from node.sync.storing import store_batch
from node.sync.wire import MAX_JOIN_BYTES, JoinRequest, PullRequest, parse_batch
from node.sync.workers import Workers
from node.tls import make_certificate, server_context
from node.witness import forget_cosigned
from node.world import World, real_world

RUNNING = "running"
"""The file in a home that says where its node listens: {"url": …, "pid": …}."""

OPENING = "opening"
"""Why nothing is written between hearing the partners and binding the home to its place."""

LOST = "lost"
"""Why nothing is written where this machine remembers entries that no partner holds."""

GC_ALLOCATIONS = 50_000

log = get_log(__name__)


def run_node(
    home: Path,
    settings: Settings,
    passphrase: bytes,
    *,
    world: World | None = None,
    on_started: Callable[[str], None] = lambda url: None,
) -> None:
    """Run the node of a home until SIGTERM or SIGINT; `on_started` is told the URL it listens at.

    Raises:
        ConflictError: another process has the home.
        ForbiddenError: the passphrase opens no key.
        TallyError: what else keeps the node from starting.
    """
    # Most of what a node makes dies at once: looking for cycles less often saves a tenth of the processor.
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)
    with lock_home(home):
        bond = Bond(home, os.environ)
        node = Node(
            home=home,
            settings=settings,
            passphrase=passphrase,
            world=world or real_world(),
            raise_mark=bond.raise_mark,
        )
        node.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_Running(node, bond).run(on_started))
        finally:
            (home / RUNNING).unlink(missing_ok=True)
            node.stop()
            bond.close()


def join_network(home: Path, invitation: InvitationFile, new: NewHome) -> None:
    """Make the home of a newcomer and join its network; after a failure, the same call goes on.

    Raises:
        ConflictError: there is a home of another organization or network at that path.
        UnavailableError: the inviter's node cannot be reached.
        ForbiddenError: the invitation does not hold.
    """
    if not home.exists() or not any(home.iterdir()):
        newcomer_home(home, new, invitation.founding)
    with lock_home(home):
        node = Node(home=home, settings=load_settings(home), passphrase=new.passphrase, world=new.world)
        node.start()
        try:
            expected = (invitation.organization, network_id(invitation.founding))
            if (node.state.organization, node.state.roster.network) != expected:
                raise ConflictError(
                    str(home),
                    found=f"the home of {node.state.origin}",
                    expected=f"a new folder, or one of {invitation.organization} in the same network",
                    action="choose another folder with --home",
                )
            asyncio.run(_join(node, invitation))
        finally:
            node.stop()


async def _join(node: Node, invitation: InvitationFile) -> None:
    transport = HttpTransport(
        lambda partner: invitation.address,
        timeout_s=node.settings.partner_timeout_s,
        key_of=lambda partner: invitation.node_key(),
    )
    try:
        batch = make_batch(node, node.state.origin, 0, MAX_JOIN_BYTES // 2, invitation.inviter)
        calls = Calls(node, invitation.inviter, transport)
        answer = await calls.join(JoinRequest(batch=batch, secret=invitation.secret))
        store_join_answer(node, answer)
        await _fetch_admission(node, calls)
        check_inviter(node.state.roster, invitation)
    finally:
        await transport.close()


async def _fetch_admission(node: Node, founder: Calls) -> None:
    """Go on with the founder's logs until they say that this home is a member: they may be longer than an
    answer, and the founder may have opened a later log.

    Raises:
        InvalidError: they end, and do not say so.
    """
    while node.state.organization not in node.state.roster.members:
        roster = node.state.roster
        origin = roster.origin(founder.partner)
        if await _fetch(node, founder, origin):
            continue
        try:
            goes_on = await _fetch(node, founder, roster.next_origin(founder.partner))
        except MissingError:
            goes_on = False  # the founder has no later log
        if not goes_on:
            raise InvalidError(
                f"log {origin}",
                found=f"{node.state.copy(origin).size} entries without an admission of"
                f" {node.state.organization}",
                expected="one",
                action=f"ask {founder.partner} for an invitation again",
            )


async def _fetch(node: Node, calls: Calls, origin: str) -> bool:
    """Fetch what follows of a log; whether anything came."""
    start = node.state.copy(origin).size
    request = PullRequest(origin=origin, start=start, limit_bytes=PULL_BYTES)
    store_batch(node, parse_batch(await calls.pull(request)), calls.partner)
    return node.state.copy(origin).size > start


class _Running:
    """A node while it runs, on one event loop."""

    def __init__(self, node: Node, bond: Bond) -> None:
        self._node = node
        self._bond = bond
        self._settings = node.settings
        self._workers = Workers()
        transport = HttpTransport(
            lambda partner: node.state.roster.addresses.get(partner, Address()),
            timeout_s=self._settings.partner_timeout_s,
            key_of=lambda partner: _node_key(node, partner),
        )
        self._engine = Engine(node, transport, self._workers)
        self._outside = Outside(
            node,
            outside_transport(self._settings.witness.ask, self._settings.partner_timeout_s),
            self._workers,
        )
        self._clerk = Clerk(node)
        self._certificate = _certificate(node) if self._settings.tls else None

    async def run(self, on_started: Callable[[str], None]) -> None:
        """Serve until a signal ends it."""
        started: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        # Holds the port, or fails, before anything else begins.
        server = self._server(lambda host, port: started.set_result((host, port)))
        try:
            self._judge_place()
        except TallyError:
            server.give_up()
            raise
        serving = asyncio.create_task(server.serve())
        await asyncio.wait((started, serving), return_when=asyncio.FIRST_COMPLETED)
        settling = asyncio.create_task(self._settle(started, on_started))
        settling.add_done_callback(lambda task: _end_if_failed(server, task))
        try:
            await serving
        finally:
            settling.cancel()
            self._clerk.stop()
            await self._outside.stop()
            await self._engine.stop()
            self._workers.stop()
            with suppress(asyncio.CancelledError):
                await settling

    async def _settle(
        self, started: asyncio.Future[tuple[str, int]], on_started: Callable[[str], None]
    ) -> None:
        """Once connections are accepted: say so, begin to sync, and bind the home when it may write."""
        host, port = await started
        node = self._node
        url = f"{'https' if self._settings.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        _say_running(node.home, url)
        await self._engine.start()
        await self._outside.start()
        self._clerk.start()
        log.info("listening", url=url, origin=node.state.origin, size=node.state.own.copy.size)
        on_started(url)
        await self._engine.wait_heard()
        if OPENING in node.blocks and not await self._workers(self._tie_heard):
            return
        await self._workers(lambda: _record_address(node, self._settings.address(port), self._certificate))

    def _tie_heard(self) -> bool:
        """Bind a home whose partners were heard to its place; whether it may write."""
        node = self._node
        try:
            self._bond.check_whole(node)
        except RollbackError as error:
            log.error("entries of the own log are lost", error=error, action=error.action)
            lost = UnavailableError(
                error.where, found=error.found, expected=error.expected, action=error.action
            )
            node.block(LOST, lost)
        else:
            self._bond.tie(node)
        node.block(OPENING, None)
        return LOST not in node.blocks

    def _judge_place(self) -> None:
        """Bind the home to its place, before anything is appended; one that is not as it was left only
        once its partners were heard."""
        verdict = self._bond.judge(self._node)
        if verdict.may_append:
            self._bond.tie(self._node)
            return
        log.warning("this home is not where or as it was", found=verdict.found, action=verdict.action)
        forget_cosigned(self._node)
        self._node.block(
            OPENING,
            UnavailableError(
                "own log",
                found="a home that is not bound to its place yet",
                expected="one whose partners were heard",
                action="wait a moment",
            ),
        )
        self._engine.hear_partners()

    def _server(self, on_started: Callable[[str, int], None]) -> NodeServer:
        node, engine, settings = self._node, self._engine, self._settings
        app = create_app(
            node,
            routers=(
                sync_router(engine.door, self._workers),
                tiles_router(node, engine.door, self._workers),
                witness_router(node, engine, self._workers),
            ),
            partners=lambda: [asdict(status) for status in engine.status()],
            outside=lambda: [asdict(status) for status in self._outside.status()],
        )
        certificate = self._certificate
        return make_server(
            app,
            host=settings.host,
            port=settings.port,
            context=server_context(node.keys.node.seed, certificate) if certificate else None,
            limits=limits_of(settings),
            on_started=on_started,
            on_connections=node.metrics.open_connections.set,
        )


def _end_if_failed(server: NodeServer, settling: asyncio.Task[None]) -> None:
    """A node that cannot settle must not look as if it ran; why is raised once it has ended."""
    if not settling.cancelled() and settling.exception() is not None:
        server.should_exit = True


def _node_key(node: Node, organization: str) -> bytes | None:
    member = node.state.roster.members.get(organization)
    return member.keys.node if member else None


def _certificate(node: Node) -> bytes:
    """The node's certificate: the one in its log as long as it names the same host."""
    host = urlsplit(node.settings.url or "").hostname or node.settings.host
    return make_certificate(node.keys.node.seed, node.state.origin, [host])


def _record_address(node: Node, url: str | None, certificate: bytes | None) -> None:
    """Record where partners call this node, if that changed; what is refused now is recorded next time."""
    told = node.state.roster.addresses.get(node.state.organization)
    if told == Address(url=url, certificate=certificate):
        return
    draft = node.draft("node.address", {"certificate": certificate, "url": url})
    try:
        node.record([draft]).result()
    except TallyError as error:
        log.warning("the own address was not recorded", reason=error, action=error.action)


def _say_running(home: Path, url: str) -> None:
    """Tell the command line where to call; a file that stays after a kill is corrected at the next start."""
    path = home / RUNNING
    draft = path.with_name(f".{RUNNING}.new")
    try:
        draft.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise UnavailableError(
            str(path), found=error.strerror or "cannot be written", expected="a folder of the own user"
        ) from error
