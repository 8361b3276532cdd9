"""Evidence made of two receipts or heads, without a copy of the log that could help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.errors import InvalidError, MissingError
from node.evidence_making import make_evidence, parse_signed
from node.state import State
from tests.attacks import pieces as made

if TYPE_CHECKING:
    from tests.node.conftest import Network

HELPERS = Path(__file__).resolve().parents[1] / "attacks" / "pieces.py"


@pytest.fixture
def knowing() -> State:
    """What a home knows that has the members' keys and no copy of their logs."""
    return State(origin="cord/0123456789abcdef", roster=made.make_roster(), heads={})


@pytest.mark.parametrize("name", ["equal", "entries", "openings"])
def test_two_files_in_any_order_make_the_one_piece(network: Network, knowing: State, name: str) -> None:
    piece = made.every_piece()[name]
    one, other = parse_signed(piece.first, "a"), parse_signed(piece.second, "b")
    reader = network["port"].node.reader
    assert make_evidence(reader, knowing, one, other) == piece
    assert make_evidence(reader, knowing, other, one) == piece


def test_heads_of_two_sizes_prove_nothing_without_a_copy(network: Network, knowing: State) -> None:
    piece = made.every_piece()["longer"]
    signed = [parse_signed(text, "file") for text in (piece.first, piece.second)]
    with pytest.raises(MissingError, match="no copy here"):
        make_evidence(network["port"].node.reader, knowing, *signed)


def test_heads_of_two_logs_prove_nothing(network: Network, knowing: State) -> None:
    one = parse_signed(made.every_piece()["equal"].first, "a")
    other = parse_signed(made.every_piece()["openings"].first, "b")
    with pytest.raises(InvalidError, match="two of one log"):
        make_evidence(network["port"].node.reader, knowing, one, other)
