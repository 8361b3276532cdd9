"""The invitation file."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import InvalidError, MalformedError, TallyError
from ledger.members.invitation import InvitationFile, open_invitation, seal_invitation
from ledger.members.roster import Address

NODE_SEED = b"acme node".ljust(32, b".")


@pytest.fixture
def invitation(network: Any) -> InvitationFile:
    return InvitationFile(
        founding=network.founding,
        inviter="acme",
        organization="bolt",
        address=Address(url="https://127.0.0.1:8440", certificate=b"der"),
        secret=b"s" * 32,
    )


def test_an_invitation_reads_back_as_written(invitation: InvitationFile) -> None:
    assert open_invitation(seal_invitation(invitation, NODE_SEED)) == invitation


def test_an_invitation_survives_being_pasted_with_other_line_ends(invitation: InvitationFile) -> None:
    text = seal_invitation(invitation, NODE_SEED).replace("\n", "\r\n")
    assert open_invitation(text) == invitation


def test_an_invitation_signed_by_somebody_else_is_refused(invitation: InvitationFile) -> None:
    with pytest.raises(InvalidError, match="signature of acme"):
        open_invitation(seal_invitation(invitation, b"x" * 32))


def test_every_flipped_character_of_an_invitation_is_refused(invitation: InvitationFile) -> None:
    text = seal_invitation(invitation, NODE_SEED)
    body = text.index("\n") + 1
    for position in range(body, len(text)):
        if text[position] == "\n":
            continue
        flipped = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
        with pytest.raises(TallyError):
            open_invitation(flipped)


def test_a_file_that_is_no_invitation_says_what_to_do() -> None:
    with pytest.raises(MalformedError) as caught:
        open_invitation("hello")
    assert "ask the member" in caught.value.action
