"""Audit a home without its payloads, in a process of its own, and print what was counted."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cli.homes import find_database, open_home_file
from cli.parallel import run_in
from ledger.audit.home import audit_logs


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    opened = open_home_file(find_database(given.home))
    audits, findings = audit_logs(
        opened.logs, own=opened.own, run=run_in(given.jobs, opened.close), rules=None
    )
    wrong = [*findings, *(finding for audit in audits for finding in audit.findings)]
    entries = sum(audit.counts.entries for audit in audits)
    sys.stdout.write(json.dumps({"counts": {"entries": entries}, "findings": len(wrong)}) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
