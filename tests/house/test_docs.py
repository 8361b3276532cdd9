"""What the pages about the house say of it is so."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "contracts", "node", "cli")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
DECISIONS = ROOT / "docs" / "decisions"


def quoted(text: str) -> list[str]:
    """What stands in backquotes, with the line breaks of flowing text taken out."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def without_code(text: str) -> str:
    """A page without what it quotes."""
    return re.sub(r"```.*?```|`[^`]+`", "", text, flags=re.DOTALL)


def test_every_room_that_a_page_names_exists() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name in quoted(page.read_text(encoding="utf-8"))
        if re.fullmatch(rf"(?:{'|'.join(PACKAGES)}|tests|docs)/[\w/.-]+", name) and not (ROOT / name).exists()
    ]
    assert missing == []


def test_every_function_that_the_way_of_one_entry_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    way = page.partition("## The way of one entry")[2].partition("\n## ")[0]
    defined = {
        name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"^\s*(?:async )?def (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert way
    assert [name for name in quoted(way) if re.fullmatch(r"[a-z_]+", name) and name not in defined] == []


def test_the_plan_of_the_house_names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent.name for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")]
    unnamed = [name for name in folders if f"{name}/" not in page]
    assert unnamed == ["demo"]


def test_every_decision_is_listed_under_its_own_title() -> None:
    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    written = [
        (path.name[:4], path.name, path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")[5:])
        for path in sorted(DECISIONS.glob("[0-9]*.md"))
    ]
    assert listed == written


def test_decisions_are_numbered_without_a_gap_and_fit_on_a_page() -> None:
    paths = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in paths] == list(range(1, len(paths) + 1))
    assert [path.name for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 40] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(
            r"\]\(([^)#:]+)(?:#[^)]*)?\)", without_code(page.read_text(encoding="utf-8"))
        )
        if not (page.parent / target).exists()
    ]
    assert broken == []
