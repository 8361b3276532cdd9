"""The `tally` command, one module per noun."""
