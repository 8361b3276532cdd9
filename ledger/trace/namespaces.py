"""The prefixes that a document's `@context` binds, and the names written with them.

Addresses of contexts are never fetched: what GS1's own context binds is in `ledger.trace.vocabulary`,
prefixes of other contexts are known only where the document binds them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError
from ledger.trace.document import MAX_CONTEXT_BYTES
from ledger.trace.json_text import JsonValue, read_json
from ledger.trace.vocabulary import STANDARD_PREFIXES


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Prefix to namespace."""

    bound: Mapping[str, str]

    def key(self, name: str) -> str:
        """A field's name with its namespace: `{https://ns.example.com/}field`."""
        prefix, colon, local = name.partition(":")
        if colon:
            space = self.bound.get(prefix)
            if space is not None:
                return f"{{{space}}}{local}"
        return name

    def value(self, text: str) -> str:
        """A value that is written with a prefix, as the address it stands for; others unchanged."""
        prefix, colon, local = text.partition(":")
        if colon:
            space = self.bound.get(prefix)
            if space is not None:
                return space + local
        return text

    def extended(self, context: JsonValue) -> Namespaces:
        """These and what a further `@context` binds."""
        bound = dict(self.bound)
        for part in context if isinstance(context, list) else [context]:
            if isinstance(part, dict):
                for prefix, space in part.items():
                    if isinstance(space, dict):
                        space = space.get("@id")
                    if isinstance(space, str):
                        bound[prefix] = space
        return Namespaces(bound)


STANDARD: Final = Namespaces(STANDARD_PREFIXES)


@lru_cache(maxsize=64)
def read_namespaces(context: str) -> Namespaces:
    """What the JSON text of a document's `@context` binds, on top of the standard's own prefixes."""
    if not context:
        return STANDARD
    try:
        value = read_json(context.encode(), where="@context", max_bytes=4 * MAX_CONTEXT_BYTES)
    except UnicodeEncodeError:
        raise MalformedError("@context", found="half a surrogate pair", expected="JSON text") from None
    return STANDARD.extended(value)
