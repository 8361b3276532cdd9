"""The node as a witness of logs outside its network, those that `[[witness.logs]]` of its settings name.

Of each it keeps one note: the newest that it cosigned, with its own line in it. That note is the whole state.
A request goes through these steps; what happens if the process dies there stands beside each.

1. Form, log and signature, from the request alone. (Nothing was promised.)
2. In the writer's thread, inside its transaction: the note that is kept, whether the request may follow it,
   the own line under a time that is not before the last one's, and the new note in the place of the old.
   Requests for one log are one after the other here. (Neither note nor line is anywhere.)
3. COMMIT, forced to disk. (Whoever asks again is told the new size.)
4. The line is given away.

A home that was restored or copied may have forgotten what it cosigned last, and a log could have it cosign a
second history from an older note, or from none. So when it is judged such a home, its witness key is written
down as forgetful: under that key it cosigns none of these logs again. Under a new witness key it does, after
the notes that it still knows: that key has cosigned nothing that could be contradicted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlite_utils import Database

from ledger.errors import ForbiddenError, InvalidError, MissingError, TallyError, UnavailableError, short
from ledger.log.checkpoint import check_cosignature, cosign, parse_any_checkpoint, witness_vkey
from ledger.log.note import Note, NoteSignature, VerifierKey, check_note, format_note, parse_note
from ledger.log.origin import format_witness_name
from ledger.log.witness import AddCheckpoint, check_add_checkpoint
from node.node import Node
from node.store.witness_notes import add_forgetful, is_forgetful, read_cosigned, write_cosigned


class OutsideLogs:
    """The logs outside the network that this node cosigns. May be used by several threads."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._keys: dict[str, list[VerifierKey]] = {}
        for log in node.settings.witness.logs:
            self._keys.setdefault(log.named, []).append(log.key)

    def names(self, origin: str) -> bool:
        """Whether a log is one of them."""
        return origin in self._keys

    def cosign(self, request: AddCheckpoint) -> str:
        """The cosignature line that a request asks for, once it is on disk.

        Raises:
            MissingError: no log of that name is witnessed here.
            ForbiddenError: the log's key did not sign it.
            MalformedError, OtherSizeError, InvalidError: as `check_add_checkpoint`.
            UnavailableError: this node may not cosign at present.
        """
        note = self._signed(request)
        self._node.check_may_write()
        change = _Cosigning(self._node, request, note)
        self._node.writer.change(change.act).result()
        return change.line

    def _signed(self, request: AddCheckpoint) -> Note:
        """The note with the lines of the log's keys alone, which verify."""
        origin = request.head.origin
        keys = self._keys.get(origin)
        if keys is None:
            raise MissingError(
                f"log {short(origin)}", found="not witnessed here", expected="a configured log"
            )
        note = parse_note(request.checkpoint)
        lines = tuple(line for line in note.signatures if any(line.is_by(key) for key in keys))
        if not lines:
            raise ForbiddenError(f"log {origin}", found="no signature by its key", expected="one")
        try:
            for key in keys:
                if any(line.is_by(key) for line in lines):
                    check_note(note, key, f"log {origin}")
        except InvalidError as error:
            raise ForbiddenError(error.where, found=error.found, expected=error.expected) from error
        return Note(note.text, lines)


@dataclass(slots=True)
class _Cosigning:
    """One request in the writer's transaction."""

    node: Node
    request: AddCheckpoint
    note: Note
    line: str = field(default="")

    def act(self, database: Database) -> None:
        """Check and keep it; the line is given away once this is committed."""
        node, origin = self.node, self.request.head.origin
        key = _own_key(node)
        _check_remembers(database, key, origin)
        kept = read_cosigned(database, origin)
        held = parse_any_checkpoint(parse_note(kept).text) if kept else None
        last_s = _last_time(node, kept, origin) if kept else 0
        check_add_checkpoint(self.request, held)
        time_s = max(last_s, node.world.now_ms() // 1000)
        plain = format_note(self.note)
        self.line = cosign(plain, key.name, node.keys.witness.seed, time_s)
        write_cosigned(database, origin, plain + self.line)


def forget_cosigned(node: Node) -> None:
    """Say that this home may have forgotten what it cosigned under its witness key."""
    key = _own_key(node)
    node.writer.change(lambda database: add_forgetful(database, key.text)).result()


def _own_key(node: Node) -> VerifierKey:
    name = format_witness_name(node.state.organization, node.state.roster.network)
    return witness_vkey(name, node.keys.witness.seed)


def _check_remembers(database: Database, key: VerifierKey, origin: str) -> None:
    if is_forgetful(database, key.text):
        raise UnavailableError(
            f"log {origin}, what was cosigned last",
            found="perhaps forgotten: this home was restored or copied",
            expected="all that its witness key ever signed",
            action="ask the operator of this node to rotate its witness key: tally keys rotate",
        )


def _last_time(node: Node, kept: str, origin: str) -> int:
    """The time of the own line on the note that is kept of a log."""
    where = f"log {origin}, what was cosigned last"
    keys = [_own_key(node), *(era.key for era in node.state.roster.witness_keys(node.state.organization))]
    for line in parse_note(kept).signatures:
        key = next((key for key in keys if line.is_by(key)), None)
        if key is not None:
            return _time_of(kept, line, key, where)
    raise _damaged(where, "no line of this witness")


def _time_of(note: str, line: NoteSignature, key: VerifierKey, where: str) -> int:
    try:
        return check_cosignature(note, line, key, where)
    except TallyError as error:
        raise _damaged(where, error.found) from error


def _damaged(where: str, found: str) -> UnavailableError:
    return UnavailableError(
        where, found=found, expected="the note as this witness cosigned it", action="run `tally verify`"
    )
