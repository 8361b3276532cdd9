"""YAML text into a plain tree: texts, lists and maps, with the place of each; nothing else.

Every scalar is text: `1`, `true` and `2019-01-11` mean what the contract says, not what YAML guesses.
Refused: a key twice, anchors, aliases, tags, directives, several documents, keys that are no texts,
control characters, and what is over the limits. The events of the YAML parser are read one by one and
without recursion, so that depth is refused where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from contracts.faults import Faults
from contracts.limits import MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_NODES
from contracts.syntax import Mark, Path, Place
from ledger.errors import MalformedError, TooLargeError, short

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"

# The C parser where it was built: the same language, twenty times as fast.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

_Token: TypeAlias = "yaml.events.Event"


@dataclass(slots=True)
class _Open:
    """A list or map that is being read."""

    path: Path
    tree: list[Tree] | dict[str, Tree]
    key: str | None = None

    def next_path(self) -> Path:
        return (*self.path, len(self.tree) if isinstance(self.tree, list) else self.key or "")


@dataclass(slots=True)
class _Reading:
    """The tree so far, where its nodes stand, and what is still open."""

    label: str
    faults: Faults
    marks: dict[Path, Mark] = field(default_factory=dict)
    open: list[_Open] = field(default_factory=list)
    root: Tree | None = None


def parse_yaml(text: bytes, label: str, faults: Faults | None = None) -> tuple[Tree, dict[Path, Mark]]:
    """The tree of a YAML document and the line and column of each node; `label` begins every message.

    A key twice, anchors and tags are `faults`, and are collected if it collects any: then the last of two
    keys stands, and anchors and tags mean nothing.

    Raises:
        TooLargeError: over a limit on bytes, depth or nodes.
        MalformedError: not YAML, or YAML that contracts do not use.
    """
    reading = _Reading(label, faults or Faults())
    for count, event in enumerate(_events(_decoded(text, label), label)):
        if count > 2 * MAX_DOCUMENT_NODES:
            raise TooLargeError(label, found="more nodes", expected=f"at most {MAX_DOCUMENT_NODES}")
        _take(reading, event)
    if reading.root is None:
        raise MalformedError(label, found="an empty document", expected="a contract")
    return reading.root, reading.marks


def _decoded(text: bytes, label: str) -> str:
    if len(text) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(
            label,
            found=f"{len(text)} bytes",
            expected=f"at most {MAX_DOCUMENT_BYTES}",
            action="move long prose into an attachment",
        )
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(label, found=f"no UTF-8 at byte {error.start}", expected="UTF-8 text") from error
    for line, content in enumerate(decoded.split("\n"), 1):
        for column, character in enumerate(content, 1):
            if (character < " " and character not in "\t\r") or character in "\x7f\ufeff\ufffe\uffff":
                raise MalformedError(
                    f"{label} line {line} column {column}",
                    found=f"the character {ord(character):#06x}",
                    expected="text without control characters",
                )
    return decoded


def _events(text: str, label: str) -> Iterator[_Token]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{label} line {mark.line + 1} column {mark.column + 1}" if mark else label
        raise MalformedError(where, found=error.problem or "no YAML", expected="YAML") from error
    except yaml.YAMLError as error:
        raise MalformedError(label, found=short(str(error)), expected="YAML") from error


def _take(reading: _Reading, event: _Token) -> None:
    match event:
        case yaml.DocumentStartEvent():
            if reading.root is not None:
                raise _refused(reading, event, "a second document")
            if event.version or event.tags:
                raise _refused(reading, event, "a directive")
        case yaml.AliasEvent():
            raise _refused(reading, event, "an alias")
        case yaml.ScalarEvent():
            _check_plain(reading, event)
            _add_scalar(reading, event)
        case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
            _check_plain(reading, event)
            _begin(reading, event, [] if isinstance(event, yaml.SequenceStartEvent) else {})
        case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
            closed = reading.open.pop()
            if not reading.open:
                reading.root = closed.tree
        case _:
            pass


def _check_plain(reading: _Reading, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
    if event.anchor is not None:
        reading.faults.add(_refused(reading, event, f"an anchor &{event.anchor}"))
    if event.tag is not None:
        reading.faults.add(_refused(reading, event, f"a tag {event.tag}"))


def _begin(reading: _Reading, event: _Token, tree: list[Tree] | dict[str, Tree]) -> None:
    if len(reading.open) >= MAX_DOCUMENT_DEPTH:
        raise TooLargeError(
            _where(reading, event), found="deeper nesting", expected=f"at most {MAX_DOCUMENT_DEPTH} levels"
        )
    path = _add(reading, event, tree)
    reading.marks[path] = _mark(event)
    reading.open.append(_Open(path, tree))


def _add_scalar(reading: _Reading, event: yaml.ScalarEvent) -> None:
    parent = reading.open[-1] if reading.open else None
    if parent is not None and isinstance(parent.tree, dict) and parent.key is None:
        if event.value in parent.tree:
            reading.faults.add(_refused(reading, event, f"the key {short(event.value)} a second time"))
        parent.key = event.value
        return
    path = _add(reading, event, event.value)
    shift = None
    if event.start_mark and event.end_mark and event.start_mark.line == event.end_mark.line:
        shift = 1 if event.style else 0
    reading.marks[path] = _mark(event, shift)


def _add(reading: _Reading, event: _Token, tree: Tree) -> Path:
    """Put a node where it belongs; gives its path."""
    if not reading.open:
        reading.root = tree
        return ()
    parent = reading.open[-1]
    path = parent.next_path()
    if isinstance(parent.tree, list):
        parent.tree.append(tree)
        return path
    if parent.key is None:
        raise _refused(reading, event, "a key that is a list or a map")
    parent.tree[parent.key] = tree
    parent.key = None
    return path


def _mark(event: _Token, shift: int | None = None) -> Mark:
    start = event.start_mark
    return (
        Mark(line=start.line + 1, column=start.column + 1, shift=shift) if start else Mark(line=1, column=1)
    )


def _where(reading: _Reading, event: _Token) -> str:
    path = reading.open[-1].path if reading.open else ()
    return str(Place(label=reading.label, path=path, mark=_mark(event)))


def _refused(reading: _Reading, event: _Token, found: str) -> MalformedError:
    return MalformedError(
        _where(reading, event),
        found=found,
        expected="plain texts, lists and maps, each key once",
        action="write it out",
    )
