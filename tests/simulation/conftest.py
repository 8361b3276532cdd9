"""Networks in which an agreement is in force already, made once for all tests that begin there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.simulation.deal import QUIET, Deal
from tests.simulation.network import Kept, Network


@pytest.fixture(scope="session")
def in_force(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, tuple[str, ...]], Kept]:
    """Gives networks at rest, by timekeeper and firms."""

    @cache
    def make(keeper: str, firms: tuple[str, ...]) -> Kept:
        network = Network(tmp_path_factory.mktemp("in-force"))
        network.settings |= QUIET
        deal = Deal(network, keeper, firms=firms)
        deal.bring_into_force()
        deal.settle(12)
        return network.keep()

    return make


@pytest.fixture
def make_deal(
    make_network: Callable[[int], Network], in_force: Callable[[str, tuple[str, ...]], Kept]
) -> Callable[..., Deal]:
    """Makes deals that are in force, each under a seed in a network of its own."""

    def make(seed: int, keeper: str = "port", firms: tuple[str, ...] = ("port", "acme", "bolt")) -> Deal:
        network = make_network(seed)
        network.settings |= QUIET
        return Deal(network, keeper, kept=in_force(keeper, firms))

    return make
