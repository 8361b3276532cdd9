"""Runs the verifier: `python foreign …`, from wherever its folder is."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.exit(import_module("foreign.program").main(sys.argv[1:]))
