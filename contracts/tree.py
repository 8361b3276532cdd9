"""Reading a tree of texts, lists and maps with the place of every node, so that each refusal names it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.grammar import parse_expression
from contracts.limits import MAX_EXPRESSION_CHARS, NAME, RESERVED, ROLE
from contracts.syntax import Expression, Mark, Path, Place
from contracts.yaml_text import Tree
from ledger.errors import MalformedError, TooLargeError, short

_LOOK_ALIKES = dict(
    zip(
        "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
        "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131\u0251\u0261",
        "abekmhopctyxsijhdqwaikvoptuxiag",
        strict=True,
    )
)
"""Small letters of other scripts that look like ours."""
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of a pair, and those that turn the direction of what follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A node of a document's tree; `marks` is empty where the document did not come as YAML."""

    tree: Tree
    label: str
    path: Path = ()
    marks: Mapping[Path, Mark]

    @property
    def place(self) -> Place:
        """Where this node stands."""
        return Place(label=self.label, path=self.path, mark=self.marks.get(self.path))

    def refuse(self, found: str, expected: str, action: str = "") -> MalformedError:
        """An error about the form of this node, to be raised."""
        return MalformedError(str(self.place), found=found, expected=expected, action=action)

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
        if hidden := _HIDDEN.search(self.tree):
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
        return parse_expression(self.text(MAX_EXPRESSION_CHARS, "an expression"), self.place)

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
        return {key: self._child(key, self.tree[key]) for key in sorted(self.tree)}

    def keys(self, required: Sequence[str], optional: Sequence[str], what: str) -> dict[str, Reader]:
        """The nodes of this map, whose keys are known to the language."""
        entries = self.entries(200, what)
        for key, entry in entries.items():
            if key not in required and key not in optional:
                known = ", ".join((*required, *optional))
                raise entry.refuse(f"the key {short(key)}", f"one of {known}", "remove or rename it")
        for key in required:
            if key not in entries:
                raise self.refuse(f"no {key}", f"{what} with {', '.join(required)}", f"add {key}")
        return entries

    def _child(self, step: str | int, tree: Tree) -> Reader:
        return Reader(tree=tree, label=self.label, path=(*self.path, step), marks=self.marks)


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
            action="rename it",
        )
    if pattern in (NAME, ROLE) and text in RESERVED:
        raise MalformedError(
            str(place), found=f"{text}, a word of the language", expected=what, action="choose another name"
        )


def _check_script(text: str, place: Place, what: str) -> None:
    """Refuse letters of other scripts by name: what looks like another name must not be one."""
    for character in "" if text.isascii() else text:
        if character > "\x7e":
            twin = _LOOK_ALIKES.get(character)
            like = f", which looks like {twin}" if twin else ""
            raise MalformedError(
                str(place),
                found=f"{short(text)} with the character {ord(character):#06x}{like}",
                expected=f"{what} in plain letters",
                action="write the plain letter" if twin else "rename it",
            )


def _kind(tree: Tree) -> str:
    return "a text" if isinstance(tree, str) else "a list" if isinstance(tree, list) else "a map"
