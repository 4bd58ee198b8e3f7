"""The value types of the configuration: each accepts its written form (`5s`, `32KiB`, `40%`) and prints it again.

Error texts say what is allowed; what was seen is added by `settings.translate`, which knows what is secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    Strict,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from settings.addresses import Address, parse_address, parse_network, parse_node_address
from settings.secret import Hidden, Secret
from settings.units import (
    BYTE_RATE_PATTERN,
    DURATION_PATTERN,
    PERCENT_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    parse_byte_rate,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
    seconds,
    write_byte_rate,
    write_duration,
    write_percent,
    write_rate,
    write_size,
)

__all__ = [
    "Address",
    "AgentAddress",
    "BindAddress",
    "Bool",
    "ByteRate",
    "Called",
    "Duration",
    "FilePath",
    "Hidden",
    "Int",
    "Matching",
    "Model",
    "Name",
    "Network",
    "NodeAddress",
    "Number",
    "Percent",
    "Port",
    "Rate",
    "RequestPath",
    "Secret",
    "ServerAddress",
    "Size",
    "parse_address",
    "resolve_path",
    "seconds",
]


class Model(BaseModel):
    """A mapping of the configuration: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        ser_json_inf_nan="constants",
    )


@dataclass(frozen=True, slots=True)
class Matching:
    """A text of this form, in `Annotated`; `wanted` says in words what the pattern means."""

    pattern: str
    """For `re.fullmatch`."""
    wanted: str

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.wanted)
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Called:
    """What the reference page calls a type, in `Annotated`."""

    words: str


def _written(pattern: str, *examples: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


Duration = Annotated[
    float,
    Called("duration"),
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [_written(DURATION_PATTERN, "500ms", "5s", "5m", "1h"), {"const": 0}],
        }
    ),
]
"""Seconds."""

Size = Annotated[
    int,
    Called("size"),
    BeforeValidator(parse_size),
    PlainSerializer(write_size, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [_written(SIZE_PATTERN, "32KiB", "1MiB"), {"type": "integer", "minimum": 0}],
        }
    ),
]
"""Octets."""

ByteRate = Annotated[
    int,
    Called("octets per second"),
    BeforeValidator(parse_byte_rate),
    PlainSerializer(write_byte_rate, return_type=str, when_used="json"),
    WithJsonSchema(_written(BYTE_RATE_PATTERN, "500B/s", "10KiB/s")),
]
"""Octets per second."""

Rate = Annotated[
    float,
    Called("rate"),
    BeforeValidator(parse_rate),
    PlainSerializer(write_rate, return_type=str, when_used="json"),
    WithJsonSchema(_written(RATE_PATTERN, "200/s", "10/m")),
]
"""Per second."""

Percent = Annotated[
    float,
    Called("share"),
    BeforeValidator(parse_percent),
    PlainSerializer(write_percent, return_type=str, when_used="json"),
    WithJsonSchema(_written(PERCENT_PATTERN, "40%")),
]
"""A fraction from 0 to 1."""

# Pydantic's lax mode would read "2" and true as numbers and "off" as a boolean: a file must say what it means.
Int = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Bool = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535})]


Name = Annotated[
    str, Matching(r"[A-Za-z0-9._-]{1,64}", "a name is 1 to 64 of letters, digits, dot, underscore and hyphen")
]
"""Names become metric labels and parts of addresses in the admin API."""
RequestPath = Annotated[
    str, Matching(r"/[!-~]{0,2047}", "a path begins with / and holds printable ASCII without blanks")
]


# --- addresses -----------------------------------------------------------------------------------------------


def _parse_node_address(value: Any) -> Address:
    return parse_node_address(value)


def _parse_agent_address(value: Any) -> Address:
    return parse_node_address(value, names=False)


def _parse_bind_address(value: Any) -> Address:
    return parse_address(value, any_port=True)


def _parse_server_address(value: Any) -> Address:
    return parse_address(value, names=True)


_ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+):[0-9]{1,5}$"

NodeAddress = Annotated[
    Address,
    Called("host and port"),
    BeforeValidator(_parse_node_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_written(_ADDRESS_PATTERN, "127.0.0.1:18101")),
]
"""Where to connect to. A name is looked up once, by whoever loads the configuration."""

Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    Called("network"),
    BeforeValidator(parse_network),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_written(r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", "10.0.0.0/8", "fd00::/8", "192.0.2.7")),
]
"""An IP network, or one address."""

AgentAddress = Annotated[
    Address,
    Called("IP address and port"),
    BeforeValidator(_parse_agent_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_written(_ADDRESS_PATTERN, "127.0.0.1:161")),
]
"""Where to send datagrams to."""

BindAddress = Annotated[
    Address,
    Called("IP address and port"),
    BeforeValidator(_parse_bind_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_written(_ADDRESS_PATTERN, "127.0.0.1:18443")),
]
"""Where to listen; port 0 takes any free one."""

ServerAddress = Annotated[
    Address,
    Called("host and port"),
    BeforeValidator(_parse_server_address),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_written(_ADDRESS_PATTERN, "mail.example:25")),
]
"""Where to connect to, by name or by IP address; only for what runs outside the data plane."""


# --- files and secrets ---------------------------------------------------------------------------------------


def resolve_path(value: Any, info: ValidationInfo) -> Path:
    """Relative to the folder of the file that names it, when read from a file."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("the path of a file is wanted")
    context: Mapping[str, Any] = info.context or {}
    folder = context.get("folder")
    return Path(value) if folder is None else Path(folder) / value


FilePath = Annotated[
    Path,
    Called("path"),
    BeforeValidator(resolve_path),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
