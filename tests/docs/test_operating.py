"""docs/operating.md tells every setting as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import Described, describe_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", describe_settings(), ids=lambda setting: setting.name)
def test_a_setting_is_told_with_its_default_and_reason(setting: Described) -> None:
    assert f"| `{setting.name}` | `{setting.env}` | {setting.default} | {setting.why} |" in TEXT


def test_no_setting_is_told_that_does_not_exist() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `") and "| `TALLY_" in line]
    assert len(rows) == len(describe_settings())
