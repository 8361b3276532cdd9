"""Reading a tree of texts, lists and maps with the place of every node, so that each refusal names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from contracts.faults import Broken, Faults, likely
from contracts.grammar import parse_expression
from contracts.limits import HIDDEN, MAX_EXPRESSION_CHARS, MAX_NAME_CHARS, NAME, RESERVED, ROLE
from contracts.syntax import Expression, Mark, Path, Place
from contracts.yaml_text import Tree
from ledger.errors import MalformedError, TallyError, TooLargeError, short

_Part = TypeVar("_Part")

_LOOK_ALIKES = dict(
    zip(
        "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
        "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131\u0251\u0261",
        "abekmhopctyxsijhdqwaikvoptuxiag",
        strict=True,
    )
)
"""Small letters of other scripts that look like ours."""
_BRACKETS = frozenset("()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A node of a document's tree; `marks` is empty where the document did not come as YAML."""

    tree: Tree
    label: str
    path: Path = ()
    marks: Mapping[Path, Mark]
    faults: Faults = field(default_factory=Faults)
    """One for the whole tree. Where it collects none, the first fault is raised where it is found."""

    @property
    def place(self) -> Place:
        """Where this node stands."""
        return Place(label=self.label, path=self.path, mark=self.marks.get(self.path))

    def refuse(self, found: str, expected: str, action: str = "") -> MalformedError:
        """An error about the form of this node, to be raised."""
        return MalformedError(str(self.place), found=found, expected=expected, action=action)

    def attempt(self, read: Callable[[Reader], _Part]) -> _Part | None:
        """What `read` makes of this node; None where it has faults, which are collected then."""
        try:
            return read(self)
        except Broken:
            return None
        except TallyError as error:
            self.faults.add(error)
            return None

    def text(self, limit_chars: int, what: str) -> str:
        """This node as a text that is not empty."""
        if not isinstance(self.tree, str):
            raise self.refuse(_kind(self.tree), what)
        if not self.tree:
            raise self.refuse("an empty text", what)
        if len(self.tree) > limit_chars:
            raise TooLargeError(
                str(self.place), found=f"{len(self.tree)} characters", expected=f"at most {limit_chars}"
            )
        if hidden := HIDDEN.search(self.tree):
            raise self.refuse(
                f"the character {ord(hidden[0]):#06x}", "characters that show", "remove or replace it"
            )
        return self.tree

    def name(self, what: str, pattern: re.Pattern[str] = NAME) -> str:
        """This node as a name, as `check_name` has it."""
        text = self.text(200, what)
        check_name(text, self.place, what, pattern)
        return text

    def integer(self, low: int, high: int, what: str) -> int:
        """This node as a small whole number."""
        text = self.text(20, what)
        number = int(text) if re.fullmatch(r"0|[1-9][0-9]{0,8}", text) else None
        if number is None or not low <= number <= high:
            raise self.refuse(short(text), f"{what}, a whole number from {low} to {high}")
        return number

    def expression(self) -> Expression:
        """This node as an expression of the language."""
        text = self.text(MAX_EXPRESSION_CHARS, "an expression")
        odd = None if text.isascii() else _odd_letter(text)
        if odd is not None:
            line = text.count("\n", 0, odd)
            where = self.place.at(line + 1, odd - (text.rfind("\n", 0, odd) if line else -1))
            raise _other_script(
                text[odd], text[odd : odd + MAX_NAME_CHARS].split()[0], where, "an expression"
            )
        return parse_expression(text, self.place)

    def word(self, words: Sequence[str], what: str) -> str:
        """This node as one of a few words."""
        if not isinstance(self.tree, str) or self.tree not in words:
            found = short(self.tree) if isinstance(self.tree, str) else _kind(self.tree)
            raise self.refuse(found, f"{what}: {', '.join(words)}")
        return self.tree

    def items(self, limit: int, what: str) -> list[Reader]:
        """The nodes of this list."""
        if not isinstance(self.tree, list):
            raise self.refuse(_kind(self.tree), f"{what}, a list in brackets or with dashes")
        if len(self.tree) > limit:
            raise TooLargeError(str(self.place), found=f"{len(self.tree)} items", expected=f"at most {limit}")
        return [self._child(index, item) for index, item in enumerate(self.tree)]

    def count_chars(self) -> int:
        """How long all texts in this node are together."""
        total, waiting = 0, [self.tree]
        while waiting:
            tree = waiting.pop()
            if isinstance(tree, str):
                total += len(tree)
            else:
                waiting.extend(tree.values() if isinstance(tree, dict) else tree)
        return total

    def names(self, limit: int, what: str, pattern: re.Pattern[str] = NAME) -> tuple[str, ...]:
        """This list as names, at least one, each once."""
        items = self.items(limit, what)
        names = tuple(item.name(what, pattern) for item in items)
        if not names:
            raise self.refuse("an empty list", f"{what}, at least one")
        for item, name in zip(items, names, strict=True):
            if names.count(name) > 1:
                raise item.refuse(f"{name} more than once", "each name once", "remove the repetition")
        return names

    def entries(self, limit: int, what: str) -> dict[str, Reader]:
        """The nodes of this map by key, in the order of the keys."""
        if not isinstance(self.tree, dict):
            raise self.refuse(_kind(self.tree), f"{what}, a map")
        if len(self.tree) > limit:
            raise TooLargeError(str(self.place), found=f"{len(self.tree)} keys", expected=f"at most {limit}")
        tree = self._rejoined(self.tree)
        return {key: self._child(key, tree[key]) for key in sorted(tree)}

    def _rejoined(self, tree: dict[str, Tree]) -> dict[str, Tree]:
        """Put expressions together that commas between braces have cut; each is a fault, told once."""
        found: dict[str, Tree] = {}
        names, at = list(tree), 0
        while at < len(names):
            key, part = names[at], tree[names[at]]
            found[key] = part
            at += 1
            if not isinstance(part, str) or (depth := _depth(part)) <= 0:
                continue
            end = at
            while depth > 0 and end < len(names) and tree[names[end]] == "":
                depth, end = depth + _depth(names[end]), end + 1
            if depth or end == at:
                continue
            found[key] = text = ", ".join([part, *names[at:end]])
            at = end
            mark = "'" if '"' in text else '"'
            fault = self._child(key, text).refuse(
                f"{short(part)}, where a comma ends it",
                "an expression with a comma in quotes, where it is between braces",
                f"write {key}: {mark}{text}{mark}",
            )
            self.faults.add(fault)
        return found

    def keys(self, required: Sequence[str], optional: Sequence[str], what: str) -> dict[str, Reader]:
        """The nodes of this map, whose keys are known to the language.

        Raises:
            Broken: a required key is missing, and faults are collected.
        """
        entries = self.entries(200, what)
        known = (*required, *optional)
        for key, entry in entries.items():
            if key not in known:
                twin = likely(key, known)
                action = f"write {twin}" if twin else _rename_action(key)
                self.faults.add(entry.refuse(f"the key {short(key)}", f"one of {', '.join(known)}", action))
        missing = [key for key in required if key not in entries]
        for key in missing:
            self.faults.add(self.refuse(f"no {key}", f"{what} with {', '.join(required)}", f"add {key}"))
        if missing:
            raise Broken
        return {key: entry for key, entry in entries.items() if key in known}

    def _child(self, step: str | int, tree: Tree) -> Reader:
        path = (*self.path, step)
        return Reader(tree=tree, label=self.label, path=path, marks=self.marks, faults=self.faults)


def _depth(text: str) -> int:
    """How many brackets a text opens and does not close."""
    return text.count("(") - text.count(")")


def _odd_letter(text: str) -> int | None:
    """Where an expression has its first letter of another script, outside the texts in it."""
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'", lambda found: " " * len(found[0]), text)
    return next((place for place, letter in enumerate(quoted) if letter > "\x7e"), None)


def optional(parts: Mapping[str, Reader], key: str, read: Callable[[Reader], _Part]) -> _Part | None:
    """What `read` makes of a part that may be left out; None where it is left out, or has faults."""
    return parts[key].attempt(read) if key in parts else None


def check_name(text: str, place: Place, what: str, pattern: re.Pattern[str] = NAME) -> None:
    """Check the alphabet of a name and that the language does not use it itself.

    Raises:
        MalformedError: other characters, or a word of the language.
    """
    _check_script(text, place, what)
    if not pattern.fullmatch(text):
        raise MalformedError(
            str(place),
            found=short(text),
            expected=f"{what} of the form {pattern.pattern}",
            action=_rename_action(text),
        )
    if pattern in (NAME, ROLE) and text in RESERVED:
        raise MalformedError(
            str(place), found=f"{text}, a word of the language", expected=what, action="choose another name"
        )


def _rename_action(name: str) -> str:
    """What to do about a name that is none: perhaps it is the rest of an expression with a comma."""
    if not _BRACKETS.isdisjoint(name):
        return "put the expression before it in quotes: between braces a comma ends it"
    return "remove or rename it"


def _check_script(text: str, place: Place, what: str) -> None:
    """Refuse letters of other scripts by name: what looks like another name must not be one."""
    for character in "" if text.isascii() else text:
        if character > "\x7e":
            raise _other_script(character, text, str(place), what)


def _other_script(character: str, text: str, where: str, what: str) -> MalformedError:
    twin = _LOOK_ALIKES.get(character)
    like = f", which looks like {twin}" if twin else ""
    return MalformedError(
        where,
        found=f"{short(text)} with the character {ord(character):#06x}{like}",
        expected=f"{what} in plain letters",
        action="write the plain letter" if twin else "rename it",
    )


def _kind(tree: Tree) -> str:
    return "a text" if isinstance(tree, str) else "a list" if isinstance(tree, list) else "a map"
