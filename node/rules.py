"""The rules of own statements: what is checked before a statement goes into the own log.

Form is checked where a draft is made, position and link where an entry passes the door. Here is what
depends on the network and on what was recorded before.
"""

from __future__ import annotations

from ledger.errors import ForbiddenError, InvalidError
from ledger.log.statement import Statement
from ledger.members.people import check_person_signatures
from node.state import State
from node.store.reader import Reader


def check_own_statement(state: State, reader: Reader, statement: Statement) -> None:
    """Check a statement that is to be appended to the own log.

    Raises:
        InvalidError: its audience names somebody who is no member.
        ForbiddenError: a signature by a person who may not act, or a kind that only others may record.
        TallyError: what the rules of an agreement say.
    """
    where = f"new {statement.kind}"
    if statement.audience is not None:
        strangers = [name for name in statement.audience if name not in state.roster.members]
        if strangers:
            raise InvalidError(
                f"{where} audience",
                found=f"{', '.join(strangers)}, not in the network",
                expected=f"some of {', '.join(sorted(state.roster.members))}",
            )
    if statement.kind in ("network.invite", "network.admit") and (
        state.organization != state.roster.founding.founder
    ):
        raise ForbiddenError(
            where,
            found=f"{state.organization}, a member",
            expected=f"{state.roster.founding.founder}, the founder",
            action="ask the founder to invite",
        )
    if statement.signatures:
        check_person_signatures(
            state.roster.people_of(state.organization),
            origin=state.origin,
            seq=state.own.copy.size,
            statement=statement,
        )
