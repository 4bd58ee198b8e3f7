"""JSON Schema and reference page, generated from the models: a default or a meaning has one home, its field."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Final

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from settings.fields import bare, fields_of, in_writing, is_model, words, written_default
from settings.types import Called, Secret

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_PLAIN_WORDS: Final = {str: "text", int: "whole number", float: "number", bool: "boolean", Secret: "secret"}

_BOUNDS: Final = (
    (annotated_types.Ge, "ge", "from"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "to"),
)

# --- JSON Schema ---------------------------------------------------------------------------------------------


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """For editors: what may be written, with the docstrings as hover texts."""
    built = model.model_json_schema(by_alias=True, mode="validation")
    definitions = built.pop("$defs", {})
    known = {section.__name__: section for section in sections_below(model)}
    root = _clean(built, model)
    return {
        "$schema": DIALECT,
        "title": "Settlegate",
        **root,
        "$defs": {name: _clean(definition, known.get(name)) for name, definition in sorted(definitions.items())},
    }


def schema_text(model: type[BaseModel]) -> str:
    return json.dumps(schema(model), ensure_ascii=False, indent=2) + "\n"


def sections_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and every model that a field of it, at any depth, holds."""
    found: dict[type[BaseModel], None] = {}
    waiting = [model]
    while waiting:
        section = waiting.pop()
        if section not in found:
            found[section] = None
            waiting += [inner for _, _, field in fields_of(section) if (inner := _section_in(field)) is not None]
    return list(found)


def _section_in(field: FieldInfo) -> type[BaseModel] | None:
    annotation = bare(field.annotation)[0]
    while typing.get_origin(annotation) in (tuple, dict):
        args = [part for part in typing.get_args(annotation) if part is not Ellipsis]
        annotation = bare(args[-1])[0]
    return annotation if is_model(annotation) else None


def _clean(definition: dict[str, Any], model: type[BaseModel] | None) -> dict[str, Any]:
    """Without titles made of names, and without null: a file may not write it."""
    cleaned: dict[str, Any] = _without_null(definition)
    properties = cleaned.get("properties", {})
    for key, name, field in fields_of(model) if model is not None else ():
        place = properties[key]
        place.pop("default", None)
        if (default := written_default(model, name)) is not None and _section_in(field) is None:  # type: ignore[arg-type]
            place["default"] = default
    return cleaned


def _without_null(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    cleaned: dict[str, Any] = {}
    for key, inner in value.items():
        if key == "properties":
            cleaned[key] = {name: _without_null(schema) for name, schema in inner.items()}
        elif key == "anyOf":
            options = [_without_null(option) for option in inner if option != {"type": "null"}]
            cleaned |= options[0] if len(options) == 1 else {key: options}
        elif key != "title":
            cleaned[key] = _without_null(inner)
    if "description" in value:
        cleaned["description"] = value["description"]  # the field's own words, not its type's
    if "patternProperties" in cleaned:
        cleaned.setdefault("additionalProperties", False)
    return cleaned


# --- reference page ------------------------------------------------------------------------------------------


def page(model: type[BaseModel], title: str, introduction: str) -> str:
    """Markdown: one table per section, in the order of the models."""
    parts = [f"# {title}\n", introduction.strip() + "\n"]
    parts += [_section(section, path) for section, path in _sections(model, "")]
    return "\n".join(parts)


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[type[BaseModel], str]]:
    yield model, path
    for key, _, field in fields_of(model):
        inner = _section_in(field)
        if inner is not None:
            origin = typing.get_origin(bare(field.annotation)[0])
            step = {dict: f"{key}.NAME", tuple: f"{key}[]"}.get(origin, key) if origin else key
            yield from _sections(inner, f"{path}.{step}" if path else step)


def _section(model: type[BaseModel], path: str) -> str:
    lines = [f"## {path or 'The file'}\n", (model.__doc__ or "").strip() + "\n"]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, name, field in fields_of(model):
        cells = (f"`{key}`", _type(model, name, field), _default(model, name, field), field.description or "")
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if _section_in(field) is not None:
        return ""
    default = written_default(model, name)
    if default in (None, [], {}, ""):
        return ""
    return f"`{json.dumps(default, ensure_ascii=False) if isinstance(default, (bool, list)) else default}`"


def _type(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    return type_words(field.annotation, field.metadata) + _range(model, name, field.metadata)


def type_words(annotation: Any, marks: list[Any]) -> str:
    """`list of path`, `whole number`."""
    annotation, more = bare(annotation)
    marks = [*marks, *more]
    called = next((mark.words for mark in marks if isinstance(mark, Called)), None)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if called is not None:
        return called
    if allowed := words(annotation):
        return ", ".join(f"`{word}`" for word in allowed)
    if origin is tuple:
        return f"list of {type_words(args[0], [])}"
    if origin is dict:
        return f"mapping of {type_words(args[1], [])} by {type_words(args[0], [])}"
    return "section" if is_model(annotation) else _PLAIN_WORDS.get(annotation, "text")


def _range(model: type[BaseModel], name: str, marks: list[Any]) -> str:
    text = ""
    for kind, bound, phrase in _BOUNDS:
        for mark in marks:
            if isinstance(mark, kind):
                text += f" {phrase} {in_writing(model, name, getattr(mark, bound))}"
    return text
