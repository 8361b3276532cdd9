"""Markup for pages and pictures: every text is escaped on its way in, since anybody may have written it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may do with a page of ours: show it, and ask nobody for anything."""


def text_of(text: str) -> str:
    """A text as markup; characters that show nothing, or turn what follows, are told by their number."""
    shown = "".join(c if c.isprintable() or c in "\n\u00a0" else f"\\u{ord(c):04x}" for c in text)
    return escape(shown)


def tag(name: str, text: str, **attributes: str) -> str:
    """An element with a text in it."""
    return wrap(name, text_of(text), **attributes)


def wrap(name: str, inside: str, **attributes: str) -> str:
    """An element around markup; `class_` is the attribute `class`, `x_y` is `x-y`."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text_of(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{said}>{inside}</{name}>"


def bullets(items: Iterable[str]) -> str:
    """A list of texts, or nothing."""
    inside = "".join(tag("li", item) for item in items)
    return wrap("ul", inside) if inside else ""


def rows(pairs: Iterable[tuple[str, str]]) -> str:
    """A table of two columns, texts."""
    inside = "".join(wrap("tr", tag("th", name, scope="row") + tag("td", text)) for name, text in pairs)
    return wrap("table", inside) if inside else ""
