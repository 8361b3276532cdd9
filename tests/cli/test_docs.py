"""The docs of the command line: every command and option is there, and the examples run as they stand."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.demo import goods
from cli.main import COMMANDS, Entry, load_command, root

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"--home", "--json", "--help", "-h"}
PATIENCE_S = 25


def leaves(commands: Mapping[str, Entry], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Entry]]:
    for name, entry in commands.items():
        if entry.commands:
            yield from leaves(entry.commands, (*path, name))
        else:
            yield " ".join((*path, name)), entry


ENTRIES = dict(leaves(COMMANDS))


def sections() -> dict[str, str]:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `tally ([^`]+)`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_and_no_other_has_a_section() -> None:
    assert set(sections()) == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_option_and_argument_of_a_command_stands_in_its_section(name: str) -> None:
    command: Any = load_command(name.split()[-1], ENTRIES[name])
    section = sections()[name]
    wanted = [param.opts[0] for param in command.params if param.param_type_name == "option"]
    wanted += [param.metavar for param in command.params if param.param_type_name == "argument"]
    missing = [word for word in wanted if word not in COMMON and not told(word, section)]
    assert missing == []


def told(word: str, section: str) -> bool:
    return all(re.search(rf"`{re.escape(part)}\b", section) for part in re.split(r"[\[\]|]+", word) if part)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_command_begins_its_help_with_its_line_in_the_table(name: str) -> None:
    command: Any = load_command(name.split()[-1], ENTRIES[name])
    assert command.help.splitlines()[0] == ENTRIES[name].summary


@pytest.mark.parametrize("name", ENTRIES)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    command: Any = load_command(name.split()[-1], ENTRIES[name])
    assert re.search(rf"^tally (--home \S+ )?{name}\b", command.help, flags=re.MULTILINE)


def test_the_options_that_all_commands_have_are_documented_once() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").split("## Beginning")[0]
    options = {option for param in root().params for option in param.opts} | COMMON
    assert [option for option in options if option not in text] == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One command of a page, the exit code that it should end with, and lines of its answer."""

    arguments: list[str]
    code: int
    lines: list[str]


def examples(page: Path) -> list[Example]:
    found: list[Example] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, comment = line[2:].partition("  # exit code ")
                words = shlex.split(command)
                assert words.pop(0) == "tally", line
                found.append(Example(arguments=words, code=int(comment or 0), lines=[]))
            elif line.strip():
                found[-1].lines.append(line)
    return found


def write_files(page: Path, folder: Path) -> None:
    (folder / "harvest.json").write_text(goods.harvest().text(), encoding="utf-8")
    for name, text in re.findall(
        r"^```(?:yaml|json|text)\n# (\S+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        (folder / name).write_text(text, encoding="utf-8")


def fits(line: str, output: str) -> bool:
    """Whether a line stands in the output; `…` stands for anything, and spacing does not count."""
    pattern = r"\s*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
    pattern = pattern.replace(r"\s*", ".*").replace(r"\ ", r"\s+")
    return any(re.fullmatch(pattern, shown.strip()) for shown in output.splitlines())


def run_example(tally: Any, example: Example) -> None:
    """Run one command; what partners must bring first is waited for."""
    if "serve" in example.arguments:
        url = tally.start(example.arguments[1] if example.arguments[0] == "--home" else "")
        assert url.startswith("https://127.0.0.1:")
        return
    end = time.monotonic() + PATIENCE_S
    while True:
        done = tally(*example.arguments)
        output = done.out + done.err
        lacking = [line for line in example.lines if not fits(line, output)]
        if done.code == example.code and not lacking:
            return
        assert time.monotonic() < end, (example.arguments, done, lacking)
        assert done.code in (0, 3, example.code), (example.arguments, done)
        time.sleep(0.3)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_the_examples_of_a_page_run_as_they_stand(tally: Any, page: str) -> None:
    write_files(ROOT / page, tally.folder)
    found = examples(ROOT / page)
    assert found
    for example in found:
        run_example(tally, example)
