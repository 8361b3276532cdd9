"""The store: one SQLite file per home. Entries and payloads are the truth, the rest can be rebuilt."""
