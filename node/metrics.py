"""What a node counts, for Prometheus: a registry of its own, so that several nodes fit one process.

Label values come from small sets (routes as templates, organizations of the network), never from callers.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

_COMMIT_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_REQUEST_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


class Metrics:
    """The figures of one node; the node sets them, `text` shows them."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.entries_appended = Counter(
            "tallystick_entries_appended", "Entries appended to the own log", registry=registry
        )
        self.entries_accepted = Counter(
            "tallystick_entries_accepted", "Entries of partners' logs stored", ["partner"], registry=registry
        )
        self.commits = Counter("tallystick_commits", "Commits to the database", registry=registry)
        self.commit_seconds = Histogram(
            "tallystick_commit_seconds",
            "Time from the first waiting write to the end of its commit",
            buckets=_COMMIT_BUCKETS_S,
            registry=registry,
        )
        self.requests = Counter(
            "tallystick_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "tallystick_request_seconds",
            "Time to answer a request",
            ["route"],
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        self.sync_pushes = Counter(
            "tallystick_sync_pushes", "Pushes that a partner took", ["partner"], registry=registry
        )
        self.sync_pulls = Counter(
            "tallystick_sync_pulls", "Batches fetched from a partner", ["partner"], registry=registry
        )
        self.sync_failures = Counter(
            "tallystick_sync_failures", "Exchanges with a partner that failed", ["partner"], registry=registry
        )
        self.partner_lag_entries = Gauge(
            "tallystick_partner_lag_entries",
            "Entries of the own log that a partner has not cosigned",
            ["partner"],
            registry=registry,
        )
        self.open_connections = Gauge(
            "tallystick_open_connections", "Connections that callers hold open", registry=registry
        )
        self.log_entries = Gauge(
            "tallystick_log_entries", "Entries held of a log", ["origin"], registry=registry
        )

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """One answered request; `route` is the template of the path, such as `/log/{origin}/checkpoint`."""
        self.requests.labels(route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus's text form, to be served as `CONTENT_TYPE`."""
        return generate_latest(self._registry)
