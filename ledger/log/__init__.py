"""The log: strict encoding, entries, the hash tree, checkpoints, receipts and evidence."""
