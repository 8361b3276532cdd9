"""What this node knows of each partner at the moment, and how long it waits before it tries one again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.errors import TallyError
from node.sync.calls import Calls
from node.world import World

MIN_BACKOFF_S = 0.5


@dataclass(slots=True, kw_only=True)
class Partner:
    """One partner. Only the event loop touches it.

    `held`: how far it holds the own log, None before it said so. `answered`: the size of the newest own
    head that it answered for. `told`: the size of the newest witnessed head that it was told. `fetching`: it
    takes the own log by itself at the moment.
    """

    name: str
    calls: Calls
    push_wake: asyncio.Event = field(default_factory=asyncio.Event)
    exchange_wake: asyncio.Event = field(default_factory=asyncio.Event)
    alive: asyncio.Event = field(default_factory=asyncio.Event)
    held: int | None = None
    answered: int = 0
    cosigned: int = 0
    told: int = 0
    heard_ms: int | None = None
    failures: int = 0
    strays: int = 0
    fetching: bool = False
    push_error: TallyError | None = None
    exchange_error: TallyError | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    agrees: Mapping[str, bool] = field(default_factory=dict)

    @property
    def error(self) -> TallyError | None:
        """What went wrong last, None where the last exchange and the last push were good."""
        return self.push_error or self.exchange_error


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerStatus:
    """One partner in words and figures, for the operator.

    `lag_out`: entries of the own log that it is not known to hold; `lag_in`: entries of its log that it
    told of and that are not here. `agrees`: whether roots were equal at common sizes, None before any was
    compared. `offset_ms`: its clock against the own one.
    """

    organization: str
    url: str | None
    heard_ms: int | None
    reachable: bool
    error: str
    lag_out: int
    lag_in: int
    agrees: bool | None
    offset_ms: int | None
    quarantined: bool


def jittered(world: World, seconds: float) -> float:
    """A time near `seconds`, a tenth more or less, so that nodes do not march in step."""
    return seconds * (0.9 + 0.2 * int.from_bytes(world.random(4), "big") / 2**32)


async def wait_backoff(partner: Partner, world: World, limit_s: float) -> None:
    """Wait before a failed partner is tried again: twice as long each time, up to a limit or its call."""
    await asyncio.sleep(min(MIN_BACKOFF_S, limit_s))
    rest_s = min(limit_s, MIN_BACKOFF_S * 2 ** min(partner.failures, 16)) - MIN_BACKOFF_S
    partner.alive.clear()
    if rest_s > 0:
        await wait_at_most(partner.alive, jittered(world, rest_s))


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than this; whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
