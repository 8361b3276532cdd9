"""Audit: what holds of a log, what does not, who said so, and what could not be checked."""
