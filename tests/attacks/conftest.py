"""Deals in a simulated network, for attacks on who counts what, and when."""

from __future__ import annotations

from tests.simulation.conftest import in_force, make_deal

__all__ = ("in_force", "make_deal")
