"""Load on one node over HTTP: many clients at once, each on one connection, each waiting for its answer.

    python tests/benchmarks/load.py memos   http://127.0.0.1:8440 <token> --clients 64 --seconds 10
    python tests/benchmarks/load.py capture http://127.0.0.1:8440 <token> --clients 4 --events 100

Prints one JSON object: requests, entries, seconds, rates, and the latencies in milliseconds. A client of
bare sockets, since a comfortable one costs more than the node that it is to measure.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

READ_BYTES = 64 * 1024


@dataclass(slots=True)
class Tally:
    """What came of a run."""

    requests: int = 0
    entries: int = 0
    refused: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def report(self, seconds: float) -> dict[str, float]:
        """The figures as the benchmark prints them."""
        ordered = sorted(self.latencies_s) or [0.0]
        return {
            "requests": self.requests,
            "refused": self.refused,
            "entries": self.entries,
            "seconds": round(seconds, 3),
            "requests_per_s": round(self.requests / seconds, 1),
            "entries_per_s": round(self.entries / seconds, 1),
            "median_ms": round(1000 * ordered[len(ordered) // 2], 2),
            "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 2),
        }


@dataclass(frozen=True, slots=True)
class Work:
    """What is sent: a path, a maker of bodies, and how many entries each makes."""

    path: str
    body: Callable[[int], bytes]
    entries: int


def memo_work(size_bytes: int) -> Work:
    """Remarks of about this size, no two alike."""
    filler = "x" * max(0, size_bytes - 12)
    return Work("/memos", lambda i: json.dumps({"text": f"{i:010d} {filler}"}).encode(), 1)


def capture_work(events: int) -> Work:
    """Documents of this many events, no two alike."""
    return Work("/capture", lambda i: document(i, events), events)


def document(number: int, events: int) -> bytes:
    """An EPCIS document of packing, shipping and observing events with about 800 bytes each."""
    return json.dumps(
        {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-02T10:00:00.000Z",
            "epcisBody": {"eventList": [_event(number, i) for i in range(events)]},
        }
    ).encode()


def _event(number: int, index: int) -> dict[str, object]:
    serial = f"{number}.{index}"
    common: dict[str, object] = {
        "eventTime": f"2026-03-02T10:{index // 60 % 60:02d}:{index % 60:02d}.000+01:00",
        "eventTimeZoneOffset": "+01:00",
        "readPoint": {"id": "urn:epc:id:sgln:4012345.00001.0"},
        "bizLocation": {"id": "urn:epc:id:sgln:4012345.00002.0"},
        "bizTransactionList": [
            {"type": "po", "bizTransaction": f"http://transaction.acme.example/po/{number}"},
            {"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:4012345000115:{serial}"},
        ],
    }
    if index % 2:
        return common | {
            "type": "ObjectEvent",
            "action": "OBSERVE",
            "bizStep": "shipping",
            "disposition": "in_transit",
            "epcList": [
                f"urn:epc:id:sgtin:4012345.011111.{serial}",
                f"urn:epc:id:sgtin:4012345.011112.{serial}",
            ],
        }
    return common | {
        "type": "AggregationEvent",
        "action": "ADD",
        "bizStep": "packing",
        "disposition": "in_progress",
        "parentID": f"urn:epc:id:sscc:4012345.1{number % 10**4:04d}{index:05d}",
        "childEPCs": [f"urn:epc:id:sgtin:4012345.011111.{serial}-{i}" for i in range(4)],
        "childQuantityList": [
            {"epcClass": f"urn:epc:class:lgtin:4012345.012345.{number}", "quantity": 200, "uom": "KGM"}
        ],
    }


async def run(url: str, token: str, work: Work, *, clients: int, seconds: float) -> dict[str, float]:
    """Send as fast as answers come, for so many seconds."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    tally = Tally()
    numbers = itertools.count(time.time_ns() // 1000)
    started = time.perf_counter()
    deadline = started + seconds
    head = (
        f"POST {work.path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        "content-type: application/json\r\ncontent-length: "
    ).encode()
    await asyncio.gather(*(_client(host, port, head, work, numbers, deadline, tally) for _ in range(clients)))
    return tally.report(time.perf_counter() - started)


async def _client(
    host: str, port: int, head: bytes, work: Work, numbers: Iterator[int], deadline: float, tally: Tally
) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=READ_BYTES)
    try:
        while time.perf_counter() < deadline:
            body = work.body(next(numbers))
            started = time.perf_counter()
            writer.write(b"%s%d\r\n\r\n%s" % (head, len(body), body))
            status = await _answer(reader)
            tally.latencies_s.append(time.perf_counter() - started)
            tally.requests += 1
            if status in (200, 201, 202):
                tally.entries += work.entries
            else:
                tally.refused += 1
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return int(head[9:12])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("work", choices=["memos", "capture"])
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--size", type=int, default=200, help="bytes of a remark")
    given = parser.parse_args()
    work = memo_work(given.size) if given.work == "memos" else capture_work(given.events)
    report = asyncio.run(run(given.url, given.token, work, clients=given.clients, seconds=given.seconds))
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
