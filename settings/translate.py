"""Pydantic's errors in our words: `5s, but timeout must be below interval; lower timeout or raise interval`."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel

from settings.fields import Spot, bare, fields_of, in_writing, spot, words, written_default
from settings.nodes import Node
from settings.types import Secret
from settings.wording import Step, nearest, show_text

_MEANT_TRUE = frozenset({"yes", "on", "y", "1"})
_MEANT_FALSE = frozenset({"no", "off", "n", "0"})

_WANTED = {
    "model_type": "a mapping is wanted",
    "dict_type": "a mapping is wanted",
    "tuple_type": "a list is wanted",
    "int_type": "a whole number is wanted",
    "int_parsing_size": "that is too large",
    "float_type": "a number is wanted",
    "finite_number": "a finite number is wanted",
    "string_type": "a text is wanted",
}
_BOUND = {
    "greater_than": ("gt", "must be above"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be below"),
    "less_than_equal": ("le", "must be at most"),
}


def unknown_key(model: type[BaseModel], path: tuple[Step, ...], written: Node | None) -> str:
    """The value is not looked at: nobody knows whether it is a secret."""
    meant = meant_key(model, path, written)
    known = spot(model, path[:-1]).keys
    if meant is not None:
        return f'unknown key; did you mean "{meant}"?'
    return f"unknown key; allowed are {', '.join(sorted(known))}" if known else "unknown key"


def meant_key(model: type[BaseModel], path: tuple[Step, ...], written: Node | None) -> str | None:
    """The key that was probably meant at `path`; one that is not written beside it, if possible."""
    known = spot(model, path[:-1]).keys
    there = set(written.entries or ()) if written is not None else set()
    return nearest(str(path[-1]), [name for name in known if name not in there] or known)


def bad_key(model: type[BaseModel], path: tuple[Step, ...], error: dict[str, Any]) -> str:
    """A name chosen by the writer, as that of a pool, or one out of a few."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    annotation = spot(model, path[:-1]).annotation
    allowed = words(bare(typing.get_args(annotation)[0])[0]) if typing.get_origin(annotation) is dict else ()
    return f"unknown key; allowed are {', '.join(allowed)}" if allowed else "not allowed as a name"


def shown_path(model: type[BaseModel], path: tuple[Step, ...]) -> tuple[Step, ...]:
    """`communityhunter2` is a secret whose colon and blank were lost."""
    for key in spot(model, path[:-1]).keys:
        if str(path[-1]).startswith(key) and spot(model, (*path[:-1], key)).hidden:
            return (*path[:-1], key + "…")
    return path


def bad_value(model: type[BaseModel], path: tuple[Step, ...], node: Node | None, error: dict[str, Any]) -> str:
    """One value that is wrong by itself."""
    found = spot(model, path)
    return with_seen(seen(found, node), _allowed(error, found, node))


def with_seen(shown: str | None, allowed: str) -> str:
    return f"{shown}, but {allowed}" if shown is not None else allowed


def seen(found: Spot, node: Node | None) -> str | None:
    """The value as written, if it may be repeated."""
    if node is None or isinstance(node.data, Secret) or node.text is None or found.hidden or not found.scalar:
        return None
    return show_text(node.text, quoted=node.quoted)


def seen_or_default(found: Spot, name: str, node: Node | None) -> str | None:
    """For a rule between values, where the one to point at may not be written at all."""
    if node is not None:
        return seen(found, node)
    if found.hidden or not found.scalar or found.owner is None or name not in found.owner.model_fields:
        return None
    default = written_default(found.owner, name)
    return None if default is None else f"{default} (default)"


def _allowed(error: dict[str, Any], found: Spot, node: Node | None) -> str:
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    if node is not None and isinstance(node.data, Secret) and found.annotation is not Secret:
        return "a !secret is not for this key"
    if kind == "value_error":
        return str(context["error"])
    if kind == "bool_type":
        return _boolean(node)
    if kind == "string_type" and node is not None and node.items is None and node.entries is None:
        return "a text is wanted; put it in quotes"
    if kind == "int_type" and node is not None and node.quoted and (node.text or "").isdecimal():
        return "a whole number is wanted; remove the quotes"
    if kind == "literal_error":
        return _literal(found, node)
    if kind in _BOUND:
        name, phrase = _BOUND[kind]
        return f"{phrase} {_bound(found, context[name])}"
    if kind in {"too_short", "string_too_short"}:
        unit = "character" if kind.startswith("string") else "entry"
        return f"at least {_count(context['min_length'], unit)} {_be(context['min_length'])} wanted"
    if kind in {"too_long", "string_too_long"}:
        unit = "character" if kind.startswith("string") else "entry"
        return f"at most {_count(context['max_length'], unit)} {_be(context['max_length'])} allowed"
    # An error type we have no words for is told without its text: that might repeat the value.
    return _WANTED.get(kind, f"not allowed here ({kind})")


def _boolean(node: Node | None) -> str:
    word = (node.text or "").lower() if node is not None else ""
    if word in _MEANT_TRUE or (word == "true"):
        return "a boolean is wanted; write true"
    if word in _MEANT_FALSE or (word == "false"):
        return "a boolean is wanted; write false"
    return "a boolean is wanted: true or false"


def _literal(found: Spot, node: Node | None) -> str:
    allowed = words(found.annotation)
    text = node.text if node is not None and not found.hidden else None
    if text in allowed:
        return f'a text is wanted; write "{text}" in quotes'
    meant = nearest(text, allowed) if text and any(map(str.isalpha, text)) else None
    hint = f'; did you mean "{meant}"?' if meant else ""
    if len(allowed) == 1:
        return f"only {allowed[0]} is allowed{hint}"
    return f"allowed are {', '.join(allowed)}{hint}"


def _bound(found: Spot, value: Any) -> Any:
    """A bound in the written form of its field: 1KiB, not 1024."""
    if found.owner is None or found.field is None:
        return value
    return next(
        in_writing(found.owner, name, value) for _, name, field in fields_of(found.owner) if field is found.field
    )


def _count(number: int, unit: str) -> str:
    plural = {"entry": "entries"}.get(unit, unit + "s")
    return f"{number} {unit if number == 1 else plural}"


def _be(number: int) -> str:
    return "is" if number == 1 else "are"
