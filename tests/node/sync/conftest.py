"""Here a network is the simulated one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulation.network import Network


@pytest.fixture
def network(three_nodes: Network) -> Network:
    """Three nodes that can all be called and have caught up."""
    return three_nodes
