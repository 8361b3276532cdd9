"""Results of ranges as bytes: what comes back is what went in, and nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit.journal import format_result, parse_result
from ledger.audit.ranges import Depth, RangeResult, check_range
from ledger.audit.rules import RULES
from ledger.audit.source import RANGE_ENTRIES, Range
from ledger.errors import MalformedError
from ledger.log.encoding import encode


@pytest.fixture(scope="module")
def results(long_log: Any) -> list[RangeResult]:
    depth = Depth(network=None, sizes=(7, 20_000), rules=RULES, timed=True)
    return [check_range(long_log, depth, Range(start, start + RANGE_ENTRIES)) for start in (0, RANGE_ENTRIES)]


def test_a_result_comes_back_as_it_was(results: list[RangeResult]) -> None:
    for result in results:
        assert parse_result(format_result(result), "here") == result


def test_a_range_that_is_not_whole_is_not_written(long_log: Any, make_log: Callable[..., Any]) -> None:
    depth = Depth(network=None, rules=RULES)
    last = check_range(long_log, depth, Range(2 * RANGE_ENTRIES, 3 * RANGE_ENTRIES))
    assert not last.is_whole
    with pytest.raises(ValueError, match="not whole"):
        format_result(last)


def test_a_range_with_a_finding_is_not_whole(long_log: Any) -> None:
    log = long_log.copy()
    log.contents[5] = (log.contents[5][0], b"another payload")
    assert not check_range(log, Depth(network=None, rules=RULES), Range(0, RANGE_ENTRIES)).is_whole


@pytest.mark.parametrize("value", [None, [], [1, 2], "text", list(range(13)), [[]] * 13, [None] * 13])
def test_any_other_value_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_result(encode(value), "here")


@given(st.binary(max_size=60))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_result(data, "here")
