"""A commit in the making: what is stored in it, what jobs have changed so far, what is told afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ledger.log.entry import parse_entry
from ledger.log.intake import Accepted
from ledger.log.statement import Statement
from ledger.members.folding import Folding
from node.drafts import Fresh
from node.state import Head, State
from node.store.indexing import Indexed
from node.store.reader import StoredNote


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A partner's run that passed the door, with what else came along; `statements` are those read."""

    accepted: Accepted
    note: StoredNote
    payloads: Sequence[tuple[int, bytes, bytes]] = ()
    indexed: Sequence[tuple[int, Indexed]] = ()
    statements: Sequence[tuple[int, bytes, Statement]] = ()
    unanswered: Sequence[int] = ()
    """What somebody else than the author left out: see node.store.unanswered."""

    def foldings(self) -> Iterator[Folding]:
        """The statements that change who stands how, each in its place."""
        grown = self.accepted.grown
        for seq, leaf, statement in self.statements:
            entry = parse_entry(grown.entries[seq - grown.before.size])
            yield Folding(
                origin=grown.after.origin, seq=seq, leaf=leaf, time_ms=entry.time_ms, statement=statement
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a commit changed: the logs that grew or got notes, and the agreements that this touches.

    `late`: something came behind what was looked at, such as the payload of an earlier entry.
    """

    origins: frozenset[str]
    agreements: frozenset[bytes]
    late: bool = False


@dataclass(slots=True)
class Pending:
    """The state and heads to be, the logs that grew, and the agreements that entries touch."""

    state: State
    heads: dict[str, Head]
    fresh: Fresh = field(default_factory=Fresh)
    origins: set[str] = field(default_factory=set)
    agreements: set[bytes] = field(default_factory=set)
    late: bool = False
    """Whether something came behind what was looked at."""

    def snapshot(self) -> Pending:
        """What it is at the moment, but for drafts."""
        return replace(
            self, heads=dict(self.heads), origins=set(self.origins), agreements=set(self.agreements)
        )

    def numbers_of(self, organization: str) -> list[int]:
        """The numbers of an organization's logs."""
        return [head.number for name, head in self.heads.items() if name.partition("/")[0] == organization]

    def take_back(self, before: Pending) -> None:
        """Forget what a refused job did to it."""
        self.state, self.heads = before.state, before.heads
        self.origins, self.agreements = before.origins, before.agreements

    def changes(self) -> Changes:
        """What is told of it once it is on disk."""
        return Changes(origins=frozenset(self.origins), agreements=frozenset(self.agreements), late=self.late)
