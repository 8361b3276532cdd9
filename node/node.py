"""A node: one home, opened, with its writer, ready for the loops and the HTTP side to use.

    home ── keys, database ── Writer (the one thread that writes)
                 │                │ state after each commit
             Reader per thread ───┴── views, API, sync, clerk

`record` is the way of every statement of the own log: gate, rules of its kind, writer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

from ledger.errors import TallyError, UnavailableError
from ledger.log.encoding import Value
from ledger.log.note import log_vkey
from ledger.log.statement import NONCE_BYTES, Statement, node_nonce, parse_statement, write_nonce
from ledger.members.network import parse_keys
from node.config import Settings
from node.drafts import Draft, Recorded, find_recorded, make_draft
from node.home import DATABASE
from node.homekeys import HomeKeys, check_home_keys, enrolled_keys, put_in_use, read_home_keys
from node.metrics import Metrics
from node.pending import Changes
from node.rules import check_own_statement
from node.state import State, load_state
from node.store.reader import Reader
from node.store.schema import connect, migrate
from node.views.records import AgreementBook
from node.world import World
from node.writer import Writer

NONCE_STORE = 256


class Node:
    """An opened home. `start` begins to write, `stop` ends after what waits is on disk."""

    def __init__(
        self,
        *,
        home: Path,
        settings: Settings,
        passphrase: bytes,
        world: World,
        raise_mark: Callable[[int, bytes], None] = lambda size, root: None,
    ) -> None:
        self.home = home
        self.settings = settings
        self.world = world
        self.metrics = Metrics()
        self._database = connect(home / DATABASE, write=True)
        with ExitStack() as opening:
            opening.callback(self._database.close)
            migrate(self._database)
            self._local = threading.local()
            self._readers: list[Reader] = []
            self._stopped = False
            self._readers_lock = threading.Lock()
            state = load_state(Reader(self._database))
            enrolled = enrolled_keys(state) or parse_keys(
                self._opening(state).body["keys"], "keys of log.open"
            )
            put_in_use(home, enrolled)
            self.keys: HomeKeys = read_home_keys(home, passphrase)
            check_home_keys(self.keys, enrolled)
            self.writer = Writer(
                database=self._database,
                state=state,
                vkey=log_vkey(state.origin, self.keys.log.seed),
                log_seed=self.keys.log.seed,
                world=world,
                metrics=self.metrics,
                raise_mark=raise_mark,
            )
            self.book = AgreementBook()
            self.writer.listen(self._forget)
            self._nonces: deque[bytes] = deque()
            self._blocks: dict[str, UnavailableError] = {}
            opening.pop_all()  # from here on `stop` closes it

    def _forget(self, changes: Changes) -> None:
        if changes.late:
            self.book.forget()

    @property
    def state(self) -> State:
        """What was committed last."""
        return self.writer.state

    @property
    def reader(self) -> Reader:
        """This thread's view of the database."""
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = Reader.open(self.home / DATABASE)
            with self._readers_lock:
                if self._stopped:  # a thread that outlives the node must leave nothing open
                    reader.close()
                    raise UnavailableError("node", found="stopped", expected="a running node")
                self._readers.append(reader)
            self._local.reader = reader
        return reader

    def start(self) -> None:
        """Begin to write."""
        self.writer.start()

    def stop(self) -> None:
        """Put what waits on disk, then close everything."""
        self.writer.stop()
        with self._readers_lock:
            self._stopped = True
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._database.close()

    # Writing

    def block(self, name: str, error: UnavailableError | None) -> None:
        """Refuse own statements for a named reason, or, with None, no longer for it."""
        if error is None:
            self._blocks.pop(name, None)
        else:
            self._blocks[name] = error

    @property
    def blocks(self) -> dict[str, UnavailableError]:
        """Why own statements are refused at present, by name; empty where they are not."""
        return dict(self._blocks)

    def check_may_write(self) -> None:
        """Raises UnavailableError while the node must not add to its own log."""
        for error in self._blocks.values():
            raise error

    def draft(
        self,
        kind: str,
        body: Mapping[str, Value],
        *,
        audience: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        index: int = 0,
    ) -> Draft:
        """A draft of an unsigned statement, under a nonce of its own or of an `Idempotency-Key`."""
        if idempotency_key is None:
            nonce = node_nonce(self._next_nonce())
        else:
            nonce = write_nonce(idempotency_key, index)
        statement = Statement(
            kind=kind,
            audience=None if audience is None else tuple(sorted(set(audience))),
            body=body,
            nonce=nonce,
        )
        return make_draft(statement)

    def _next_nonce(self) -> bytes:
        """Random bytes out of a store: each call of the system lets another thread in, and that costs more
        than everything else that is done for a memo."""
        try:
            return self._nonces.pop()
        except IndexError:
            random = self.world.random(NONCE_BYTES * NONCE_STORE)
            self._nonces.extend(
                random[i : i + NONCE_BYTES] for i in range(NONCE_BYTES, len(random), NONCE_BYTES)
            )
            return random[:NONCE_BYTES]

    def record(self, drafts: Sequence[Draft]) -> Future[list[Recorded]]:
        """Record statements in the own log, all or none; done when they are on disk.

        The future raises what the rules of their kinds or the writer refuse.
        """
        try:
            self.check_may_write()
            for draft in drafts:
                self._check(draft)
        except TallyError as error:
            refused: Future[list[Recorded]] = Future()
            refused.set_exception(error)
            return refused
        return self.writer.append(drafts)

    def _check(self, draft: Draft) -> None:
        """Hold a draft against the rules, unless it is a write that was recorded before and comes again."""
        try:
            check_own_statement(self.state, self.reader, draft.statement, book=self.book)
        except TallyError:
            if not draft.may_come_again or find_recorded(self.reader, self.state.origin, draft) is None:
                raise

    def _opening(self, state: State) -> Statement:
        payload = Reader(self._database).payload(state.origin, 0)
        # load_state read it already.
        return parse_statement(payload[1] if payload else b"", f"{state.origin} entry 0")
