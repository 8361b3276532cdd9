"""A commit in the making: what the writer's jobs have changed so far, and what is told of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from node.drafts import Fresh
from node.state import Head, State


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
