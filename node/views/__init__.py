"""Read models: what a home can answer, for the HTTP side of a node and for commands without one.

Every function takes a `Reader` and the `State` that belongs to it and gives plain values that are ready
for JSON: bytes as hex, times as text in UTC.
"""
