"""Sync: what nodes say to each other, and the loops that say it."""
