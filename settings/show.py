"""The effective configuration as YAML that can be loaded again, secrets apart."""

from __future__ import annotations

from typing import Any, Final

import yaml

from settings.scalars import plain_scalar
from settings.types import Model

MASK: Final = "<secret>"


class _Dumper(yaml.SafeDumper):
    """Quotes whatever `settings.scalars` would not read back as the same text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if plain_scalar(text) is text and text != "<<" and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def effective(config: Model, *, leave_out: set[str] | None = None) -> str:
    """Every value in force, defaults included; what is not set and has no default is left out."""
    data = config.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=leave_out)
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100_000)
