"""Metrics in Prometheus's text form."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from node.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_what_is_counted_shows() -> None:
    metrics = Metrics()
    metrics.entries_appended.inc(3)
    metrics.commits.inc()
    metrics.commit_seconds.observe(0.003)
    metrics.count_request("/sync/v1/push", 200, 0.01)
    metrics.sync_pushes.labels("bolt").inc()
    metrics.sync_failures.labels("dart").inc(2)
    metrics.partner_lag_entries.labels("bolt").set(7)
    metrics.open_connections.set(4)
    metrics.log_entries.labels("acme/0123456789abcdef").set(41)
    shown = samples(metrics)
    assert shown["tallystick_entries_appended_total", ()] == 3
    assert shown["tallystick_commits_total", ()] == 1
    assert shown["tallystick_commit_seconds_count", ()] == 1
    assert shown["tallystick_requests_total", ("/sync/v1/push", "200")] == 1
    assert shown["tallystick_request_seconds_count", ("/sync/v1/push",)] == 1
    assert shown["tallystick_sync_pushes_total", ("bolt",)] == 1
    assert shown["tallystick_sync_failures_total", ("dart",)] == 2
    assert shown["tallystick_partner_lag_entries", ("bolt",)] == 7
    assert shown["tallystick_open_connections", ()] == 4
    assert shown["tallystick_log_entries", ("acme/0123456789abcdef",)] == 41


def test_two_nodes_in_one_process_count_apart() -> None:
    one, two = Metrics(), Metrics()
    one.commits.inc()
    assert samples(two)["tallystick_commits_total", ()] == 0
