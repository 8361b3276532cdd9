"""Why rules have fired, or not, as lines of text: the same for `agree show --why` and `contract explain`."""

from __future__ import annotations

from collections.abc import Iterable

from node.views.values import Json

_HOLDS = {True: "holds   ", False: "does not", None: "not read"}


def rule_lines(rules: Iterable[Json]) -> list[str]:
    """Each rule: whether it has fired, its conditions in words with what they rest on, what is missing."""
    lines: list[str] = []
    for rule in rules:
        fired = f"has fired, {rule['fired']['at']['time']}" if rule["fired"] else "has not fired"
        lines += ["", f"rule {named(rule)}: {fired}"]
        for condition in rule["conditions"]:
            lines.append(f"  {_HOLDS[condition['holds']]}  {condition['text']}")
            lines.append(f"            {condition['words']}")
            lines += [f"            from {text}" for text in condition["basis"]]
            lines += [f"            {condition['trouble']}"] if condition["trouble"] else []
        lines += [f"  then      {text}" for text in rule["outcome"]]
        lines += [f"  stands    {text}" for text in rule["stands"]]
        lines += [f"  waits for  {text}" for text in rule["missing"]]
        lines += [f"  can no longer fire: {rule['never']}"] if rule["never"] else []
        lines += [f"  cannot be calculated: {rule['trouble']}"] if rule["trouble"] else []
    return lines[1:]


def named(item: Json) -> str:
    """A rule, and the value of its key where it has one."""
    return item["rule"] if item["key"] is None else f"{item['rule']} for {item['key']}"
