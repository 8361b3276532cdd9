"""The pure core: bytes and values in, values out. No clock, disk, network or randomness."""
