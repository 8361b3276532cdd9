"""The only house that touches the world: files, clock, store, network."""
