"""A home with a long log, for timing: `python tests/benchmarks/long_home.py FOLDER ENTRIES`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from node.config import load_settings
from node.home import NewHome, found_home
from node.keyfiles import MIN_COST
from node.node import Node
from node.world import real_world

PASSPHRASE = b"only for timing"
PAYLOAD_BYTES = 300
BATCH = 4096


def make_long_home(folder: Path, entries: int, payload_bytes: int = PAYLOAD_BYTES) -> Path:
    """A home whose log has about this many entries, with payloads of about this many bytes."""
    home = folder / "long"
    world = real_world()
    new = NewHome(
        organization="long",
        title="Long",
        person="ana",
        passphrase=PASSPHRASE,
        world=world,
        cost=MIN_COST,
        state_folder=folder / "state",
    )
    found_home(home, new, network="long")
    node = Node(home=home, settings=load_settings(home), passphrase=PASSPHRASE, world=world)
    node.start()
    try:
        # A memo's envelope takes 70 bytes.
        text_bytes = (payload_bytes - 70) // 2
        for start in range(0, entries, BATCH):
            count = min(BATCH, entries - start)
            drafts = [node.draft("memo", {"text": os.urandom(text_bytes).hex()}) for _ in range(count)]
            node.record(drafts).result()
    finally:
        node.stop()
    return home


if __name__ == "__main__":
    make_long_home(Path(sys.argv[1]), int(sys.argv[2]))
