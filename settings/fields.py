"""What the models say about a place: which keys belong there, and whether what stands there is secret."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from settings.types import Hidden, Secret
from settings.wording import Step


@dataclass(frozen=True, slots=True)
class Spot:
    """One place of the configuration as the models describe it."""

    annotation: Any
    """Type of the value, `Annotated` and `None` taken off; None where the models know no such place."""
    hidden: bool
    """No message may repeat what is written here."""
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = None

    @property
    def model(self) -> type[BaseModel] | None:
        return self.annotation if is_model(self.annotation) else None

    @property
    def scalar(self) -> bool:
        """A single text, number or boolean belongs here."""
        return self.annotation is not None and self.model is None and typing.get_origin(self.annotation) is not dict

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that may be written here."""
        return tuple(key for key, _, _ in fields_of(self.model)) if self.model else ()


def is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Key as written in the file (`from`), name in the model (`sender`), field."""
    for name, field in model.model_fields.items():
        yield field.alias or name, name, field


def spot(model: type[BaseModel], path: Iterable[Step]) -> Spot:
    """What belongs at `path` below `model`. Unknown places are hidden: nobody knows what was put there."""
    annotation: Any = model
    hidden = False
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = None
    for step in path:
        origin = typing.get_origin(annotation)
        field = owner = None
        if is_model(annotation):
            owner = annotation
            field = next((field for key, _, field in fields_of(annotation) if key == step), None)
            if field is None:
                return Spot(None, hidden=True)
            inner: Any = field.annotation
            hidden = hidden or _hides(field.metadata)
        elif origin is tuple and isinstance(step, int):
            inner = typing.get_args(annotation)[0]
        elif origin is dict and isinstance(step, str):
            inner = typing.get_args(annotation)[1]
        else:
            return Spot(None, hidden=True)
        annotation, marks = bare(inner)
        hidden = hidden or _hides(marks)
    return Spot(annotation, hidden or _mentions_secret(annotation), field, owner)


def bare(annotation: Any) -> tuple[Any, list[Any]]:
    """Without `Annotated` and `None`, and what `Annotated` said."""
    marks: list[Any] = []
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation, *more = typing.get_args(annotation)
            marks += more
        elif origin in (Union, types.UnionType):
            members = [member for member in typing.get_args(annotation) if member is not type(None)]
            if len(members) > 1:
                return annotation, marks
            annotation = members[0]
        else:
            return annotation, marks


def words(annotation: Any) -> tuple[str, ...]:
    """The words of a `Literal`."""
    return tuple(map(str, typing.get_args(annotation))) if typing.get_origin(annotation) is Literal else ()


def written_default(owner: type[BaseModel], name: str) -> Any:
    """The default of a field in its written form (`5s`); None if it has none, or one that is made when needed."""
    default = owner.model_fields[name].default
    if default is None or default is PydanticUndefined:
        return None
    return in_writing(owner, name, default)


def in_writing(owner: type[BaseModel], name: str, value: Any) -> Any:
    """A field's value as it would be written."""
    dumped = owner.model_construct(**{name: value}).model_dump(mode="json", include={name}, exclude_none=True)
    return dumped.get(name)


def _hides(marks: Iterable[Any]) -> bool:
    return any(isinstance(mark, Hidden) for mark in marks)


def _mentions_secret(annotation: Any) -> bool:
    """A section with secrets in it does not hide its other values; a list or mapping of secrets does."""
    if annotation is Secret:
        return True
    return any(_mentions_secret(bare(part)[0]) for part in typing.get_args(annotation) if part is not Ellipsis)
