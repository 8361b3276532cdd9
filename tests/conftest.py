"""Fixtures that every part of the test suite shares."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.simulation.network import Network

# A busy machine is no failure; what must be fast is measured in tests/benchmarks.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of cases that nobody on this project wrote; skips where it is absent."""
    folder = Path(os.environ.get("CONFORMANCE", ROOT.parent / "shared" / "conformance"))
    if not folder.is_dir():
        pytest.skip(f"no conformance data at {folder}: set CONFORMANCE")
    return folder


@pytest.fixture
def make_network(tmp_path: Path) -> Iterator[Callable[[int], Network]]:
    """Makes simulated networks, each under a seed, and stops them afterwards."""
    networks: list[Network] = []

    def make(seed: int = 0) -> Network:
        folder = tmp_path / f"network-{len(networks)}"
        folder.mkdir()
        networks.append(_load_network()(folder, seed))
        return networks[-1]

    yield make
    for network in networks:
        network.close()


@pytest.fixture
def three_nodes(make_network: Callable[[int], Network]) -> Network:
    """A simulated network of three, all of whom can be called and have caught up."""
    made = make_network(1)
    made.found("acme")
    made.join("bolt")
    made.join("cord")
    made.wait_until(lambda: made.agree() and len(made.heads_of("acme")) == 3)
    return made


@pytest.fixture
def network(three_nodes: Network) -> Network:
    """The network of three under its short name."""
    return three_nodes


def _load_network() -> type[Network]:
    """The simulation, loaded from its file, since test folders are no packages."""
    module = sys.modules.get("simulated_network")
    if module is None:
        spec = importlib.util.spec_from_file_location("simulated_network", TESTS / "simulation/network.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["simulated_network"] = module
        spec.loader.exec_module(module)
    network: type[Network] = module.Network
    return network
