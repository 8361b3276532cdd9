"""Provenance: EPCIS events, identifiers, event hashes, and the graph with its questions."""
