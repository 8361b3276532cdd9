"""Reading a tree of texts, lists and maps with the place of every node, so that each refusal names it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.limits import NAME, NOT_YET, RESERVED, ROLE
from contracts.syntax import Mark, Path, Place
from contracts.yaml_text import Tree
from ledger.errors import InvalidError, MalformedError, TallyError, TooLargeError, short


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
        for character in self.tree:
            if _is_hidden(character):
                raise self.refuse(
                    f"the character {ord(character):#06x}", "characters that show", "remove or replace it"
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
                raise self._unknown(key, entry, (*required, *optional))
        for key in required:
            if key not in entries:
                raise self.refuse(f"no {key}", f"{what} with {', '.join(required)}", f"add {key}")
        return entries

    def _child(self, step: str | int, tree: Tree) -> Reader:
        return Reader(tree=tree, label=self.label, path=(*self.path, step), marks=self.marks)

    def _unknown(self, key: str, entry: Reader, known: Sequence[str]) -> TallyError:
        if key in NOT_YET:
            return not_yet(f"`{key}`", NOT_YET[key], str(entry.place))
        return entry.refuse(f"the key {short(key)}", f"one of {', '.join(known)}", "remove or rename it")


def not_yet(found: str, feature: str, where: str) -> InvalidError:
    """The refusal of what belongs to the language and not to this version of it."""
    return InvalidError(
        where,
        found=f"{found}, which this version does not know",
        expected="the language as docs/contract-language.md has it",
        action=f"leave {feature} out, or use a version of Tallystick that knows them",
    )


def check_name(text: str, place: Place, what: str, pattern: re.Pattern[str] = NAME) -> None:
    """Check the alphabet of a name and that the language does not use it itself.

    Raises:
        MalformedError: other characters, or a word of the language.
    """
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


def _is_hidden(character: str) -> bool:
    """Control characters, halves of a pair, and those that turn the direction of what follows."""
    return (
        (character < " " and character not in "\n\t")
        or "\x7f" <= character <= "\x9f"
        or "\ud800" <= character <= "\udfff"
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
    )


def _kind(tree: Tree) -> str:
    return "a text" if isinstance(tree, str) else "a list" if isinstance(tree, list) else "a map"
