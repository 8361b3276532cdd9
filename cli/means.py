"""What `tally verify` may use: keys, heads and a policy that the auditor trusts, processes, a state file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from cli.call import Call
from cli.homes import find_database
from cli.parallel import default_jobs, run_in
from cli.progress import Teller
from cli.reading import open_home
from cli.receipt_check import RootsHere, Trust, nothing_here, read_policy
from cli.remote import Caller, HttpFetch, member_at, read_certificate
from cli.state_file import StateFile
from ledger.audit.log import Run
from ledger.audit.source import KeptNote
from ledger.errors import MalformedError, UsageError
from ledger.log.note import VerifierKey, parse_vkey
from ledger.log.policy import Policy
from ledger.log.tree import read_frontier
from ledger.members.roster import Roster
from node.homekeys import KEYS
from node.keyfiles import read_key
from node.store.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What an audit may use, and somebody to tell of progress."""

    roster: Roster | None = None
    vkey: VerifierKey | None = None
    certificate: bytes | None = None
    heads: Mapping[str, tuple[KeptNote, ...]] = field(default_factory=dict)
    policy: Policy | None = None
    policy_file: str = ""
    quarantined: frozenset[str] = frozenset()
    roots: RootsHere = nothing_here
    holder: str = ""
    """Whose copies are read, where it is not the target itself."""
    network: str | None = None
    """The id or the words of the network that a bundle must be of."""
    jobs: int = 1
    state: StateFile | None = None
    home: Path | None = None
    """The home of a member, in whose name tiles are read that are for members only."""
    passphrase: Callable[[], bytes] | None = None
    """Opens the node key of that home; it is asked for once, and only where tiles need it."""
    teller: Teller = field(default_factory=Teller)

    def fetch(self, base: str) -> HttpFetch:
        """Files below an address: under the certificate that was said or recorded, signed where need be.

        Raises:
            UsageError: tiles are for members only, and the passphrase is not to be had.
        """
        roster = self.roster
        holder = member_at(base, roster)
        address = roster.addresses.get(holder) if roster and holder else None
        certificate = self.certificate or (address.certificate if address else None)
        return HttpFetch(base, certificate, self._caller(holder))

    def _caller(self, holder: str | None) -> Caller | None:
        roster, home = self.roster, self.home
        if roster is None or holder is None or home is None or self.passphrase is None:
            return None
        if roster.founding.policy.tiles == "open":
            return None
        sender, seed = _node_key(home, self.passphrase)
        if sender in roster.logs(holder):
            return None  # a node refuses requests by itself
        return Caller(sender=sender, recipient=roster.origin(holder), seed=seed)

    def run(self, prepare: Callable[[], None] = lambda: None, *, jobs: int | None = None) -> Run:
        """How ranges are worked through; `prepare` as in `run_in`."""
        run = run_in(self.jobs if jobs is None else jobs, prepare)
        return run if self.state is None else self.state.wrap(run, self.holder)

    def trust(self) -> Trust:
        """What single signed files are checked by."""
        return Trust(
            vkey=self.vkey,
            policy=self.policy,
            policy_file=self.policy_file,
            roster=self.roster,
            quarantined=self.quarantined,
            heads=self.heads,
            roots=self.roots,
        )

    def roster_of(self, origin: str) -> Roster | None:
        """The members, if it is a log of one of them."""
        roster = self.roster
        return roster if roster and any(origin in roster.logs(name) for name in roster.members) else None

    def trusted_key(self, origin: str) -> VerifierKey | None:
        """The newest key of a log that the auditor trusts, if there is one."""
        if self.vkey is not None and self.vkey.name == origin:
            return self.vkey
        roster = self.roster_of(origin)
        return roster.log_key(origin) if roster else None

    def key_for(self, origin: str) -> VerifierKey:
        """The same; raises UsageError where there is none."""
        key = self.trusted_key(origin)
        if key is None:
            named = f"a key of {self.vkey.name}" if self.vkey else "no key"
            raise UsageError(
                f"log {origin}",
                found=named,
                expected="--vkey of this log, or --home of a member of its network",
            )
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the caller said beside the target."""

    vkey: str | None = None
    policy: Path | None = None
    certificate: Path | None = None
    network: str | None = None
    jobs: int = 0


def find_means(call: Call, target: str | None, said: Said, state: StateFile | None, teller: Teller) -> Means:
    """What the caller said, and what the home knows where one is named or the target is none."""
    roster, heads, quarantined = None, {}, frozenset[str]()
    roots: RootsHere = nothing_here
    needs_home = target is not None and not find_database(Path(target).expanduser()).is_file()
    if call.home_option is not None or (needs_home and find_database(call.home).is_file()):
        with open_home(call.home) as home:
            roster = home.state.roster
            quarantined = home.state.quarantined
            heads = {origin: _heads_of(home.reader, origin) for origin in home.state.heads}
        roots = partial(_roots_of, call.home)
    own = Path(target).expanduser() if target is not None and not needs_home else call.home
    return Means(
        roster=roster,
        home=own,
        passphrase=cache(call.passphrase),
        vkey=_said_key(said.vkey) if said.vkey else None,
        certificate=read_certificate(said.certificate) if said.certificate else None,
        heads=heads,
        policy=read_policy(said.policy) if said.policy else None,
        policy_file=str(said.policy or ""),
        quarantined=quarantined,
        roots=roots,
        network=said.network,
        jobs=said.jobs or default_jobs(),
        state=state,
        teller=teller,
    )


def _node_key(home: Path, passphrase: Callable[[], bytes]) -> tuple[str, bytes]:
    """The home's log, and the seed of the key by which its node signs requests."""
    with open_home(home) as opened:
        origin = opened.state.origin
    return origin, read_key(home / KEYS / "node.key", passphrase()).seed


def _said_key(text: str) -> VerifierKey:
    try:
        return parse_vkey(text, "--vkey")
    except MalformedError as error:
        raise UsageError(
            "--vkey",
            found=error.found,
            expected=error.expected,
            action="copy it from `tally network show --json` at a member of the network",
        ) from error


def _roots_of(path: Path, origin: str, sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of a log at these sizes, as far as a home holds it."""
    with open_home(path) as home:
        copy = home.state.copy(origin)
        reader = home.reader.hashes(origin, copy.size)
        return {size: read_frontier(reader, size).root() for size in sizes if 0 < size <= copy.size}


def _heads_of(reader: Reader, origin: str) -> tuple[KeptNote, ...]:
    return tuple(KeptNote(size=note.size, note=note.note.encode()) for note in reader.notes(origin))
