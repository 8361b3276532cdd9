"""`python -P -m cli`: the same as the console script `tally`."""

from cli.main import run

if __name__ == "__main__":  # a process that `verify` starts reads this module again
    run()
