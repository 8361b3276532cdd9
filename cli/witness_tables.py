"""What a home remembers as a witness and of witnesses outside the network, held against its own keys.

- `cosigned`: of a log outside the network, the note that this home cosigned last. It must be of that log, and
  bear a good line by a witness key that the organization has or had: on it rests that no second history is
  cosigned. The log's own key stands in the settings; it was checked when the note came.
- `forgetful`: own witness keys that may have cosigned more than is known.
- `outside`: by witness, the note of an own log that it cosigned last: signed by that log's key, with a good
  line of the witness, and with the root that the entries have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cli.sources import StoredLog, open_database, read_rows
from ledger.audit.finding import Finding, finding_of
from ledger.audit.log import roots_at
from ledger.errors import InvalidError, TallyError, short
from ledger.log.checkpoint import check_cosignature, open_checkpoint, parse_any_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, parse_note, parse_vkey
from ledger.log.origin import parse_origin
from ledger.members.roster import Roster

_ACTION = "restore the home from a backup, and rotate its keys (`tally keys rotate`)"


def check_witness_tables(own: StoredLog, roster: Roster, roots: Mapping[int, bytes]) -> list[Finding]:
    """Check the three tables of a home; `roots` are those of the own log at sizes at which they are known.

    Raises:
        MalformedError: the database cannot be read.
    """
    organization = parse_origin(own.origin).organization
    known = _Known(own, roster, roots, [era.key for era in roster.witness_keys(organization)])
    checks: dict[str, Callable[[str, str], None]] = {
        "cosigned": known.check_cosigned,
        "forgetful": known.check_forgetful,
        "outside": known.check_outside,
    }
    findings = []
    connection = open_database(own.path)
    try:
        tables = {row[0] for row in read_rows(connection, own.path, "SELECT name FROM sqlite_master")}
        for table, check in checks.items():
            # A home that no node of this version has opened yet has none of them.
            rows = (
                read_rows(connection, own.path, f"SELECT * FROM {table}") if table.encode() in tables else []
            )
            for row in rows:
                name, note = (_text(value) for value in (*row, b"")[:2])
                try:
                    check(name, note)
                except TallyError as error:
                    findings.append(
                        finding_of(
                            "database-witness", error, place=f"table {table}, {short(name)}", action=_ACTION
                        )
                    )
    finally:
        connection.close()
    return findings


@dataclass(frozen=True, slots=True)
class _Known:
    """What the rows are held against."""

    own: StoredLog
    roster: Roster
    roots: Mapping[int, bytes]
    keys: Sequence[VerifierKey]

    def check_cosigned(self, origin: str, note: str) -> None:
        """Check the note of a log outside the network."""
        parsed = parse_note(note)
        head = parse_any_checkpoint(parsed.text)
        if head.origin != origin:
            raise InvalidError(origin, found=f"a note of {short(head.origin)}", expected="one of that log")
        for line in parsed.signatures:
            for key in self.keys:
                if line.is_by(key):
                    check_cosignature(note, line, key)
                    return
        raise InvalidError(origin, found="no line of this witness", expected="the line that it gave away")

    def check_forgetful(self, witness: str, _: str) -> None:
        """Check the name of a witness key that forgot."""
        if witness not in {key.text for key in self.keys}:
            raise InvalidError(witness, found="another key", expected="a witness key of this organization")

    def check_outside(self, witness: str, note: str) -> None:
        """Check the note of an own log that an outside witness cosigned."""
        key = parse_vkey(witness)
        parsed = parse_note(note)
        origin = parse_checkpoint(parsed.text).origin
        if parse_origin(origin).organization != parse_origin(self.own.origin).organization:
            raise InvalidError(origin, found="a note of another log", expected=f"one of {self.own.origin}")
        head = open_checkpoint(note, self.roster.log_key(origin, parse_checkpoint(parsed.text).size))
        lines = [line for line in parsed.signatures if line.is_by(key)]
        for line in lines:
            check_cosignature(note, line, key)
        if not lines:
            raise InvalidError(witness, found="no line of this witness", expected="the line that it gave")
        if origin != self.own.origin:
            return  # a log that was left for this one: it is audited with its own notes
        roots = self.roots if head.size in self.roots else roots_at(self.own, [head.size])
        if roots.get(head.size, head.root) != head.root:
            raise InvalidError(
                witness,
                found=f"root {short(head.root)}",
                expected=f"{short(roots[head.size])}, as the entries have",
            )


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
