"""Writes what is generated from the models: `python -m gateway.reference` renews both files.

The reference page and the JSON Schema are committed; a test holds that they are current.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.config import GatewayConfig
from gateway.not_in_force import NOT_IN_FORCE
from settings.reference import page, schema_text

_INTRODUCTION: Final = """\
Generated from the models by `python -m gateway.reference`; change a docstring there, not this page.

Everything not written has its default; `settlegate show gateway.yaml` prints the effective whole.
`settlegate check gateway.yaml` names every problem with its place. Relative paths are relative to the file that
names them.

- Durations: `500ms`, `5s`, `5m`, `1h`. Sizes: `32KiB`, `1MiB`. Rates: `200/s`, `10/m`. Shares: `40%`.
- Booleans are `true` and `false` alone. Nothing may be left empty: a key without a value is a slip more often than
  a wish, and an empty list of routes that came to mean *all routes* would open a door.
- A secret is a text, `!secret file:PATH` (the file's content without its last line break) or `!secret env:NAME`.
- Anchors, aliases and `<<` work. Every key is written once. Unquoted values mean what YAML 1.2 says they mean.
- `institutions_from` files hold a mapping of institution id to section, as below `institutions`.
- Editors complete and check the file from its first line,
  `# yaml-language-server: $schema=gateway.schema.json`; `settlegate show --schema` prints that schema. For VS Code
  add `"yaml.customTags": ["!secret scalar"]` to its settings.
"""


def configuration_page() -> str:
    later = "\n".join(
        f"- `{part.path}`"
        + (f" other than {', '.join(part.unless)}" if part.unless else "")
        + (f": {part.consequence}" if part.consequence else "")
        for part in NOT_IN_FORCE
    )
    introduction = (
        f"{_INTRODUCTION}\nAccepted, not yet in force (`settlegate check` names each that is written):\n\n{later}"
    )
    return page(GatewayConfig, "Configuration", introduction)


GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "docs/configuration.md": configuration_page,
    "deploy/gateway.schema.json": lambda: schema_text(GatewayConfig),
}
"""By path, relative to the project."""


def main(arguments: list[str]) -> int:
    """Writes every generated file below the folder given, by default this project."""
    root = Path(arguments[0]) if arguments else Path(__file__).parent.parent
    for name, text in GENERATED.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
