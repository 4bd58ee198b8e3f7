"""`settlegate certs show FILE`: what a certificate says, in the words of the configuration."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from cryptography.utils import CryptographyDeprecationWarning

from certs.credential import ID_FIELDS, Credential, CredentialError, clean, parse

FILE_LIMIT: Final = 8 << 20
"""Octets: a bundle of several hundred authorities has less than one MiB."""
_DAY: Final = 86_400
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")


class UnreadableError(Exception):
    """There is no certificate to show; the message says why."""


def show(path: Path, out: TextIO, *, now: datetime | None = None) -> int:
    """Every certificate of a PEM or DER file; 1 if one of them cannot be read. Raises UnreadableError."""
    at = (now or datetime.now(UTC)).timestamp()
    found = _der(path)
    unreadable = 0
    for number, der in enumerate(found, 1):
        if len(found) > 1:
            out.write(f"{'' if number == 1 else chr(10)}# {number}/{len(found)}\n")
        try:
            credential = _parsed(der)
        except CredentialError as error:
            unreadable += 1
            out.write(f"错误 error: {error}\n")
            continue
        for label, value in _lines(credential, at):
            out.write(f"{label}: {value}\n")
    return 1 if unreadable else 0


def _parsed(der: bytes) -> Credential:
    with warnings.catch_warnings():
        # What cryptography merely warns of, `parse` refuses or the verification judges.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return parse(der)


def _der(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    if len(data) > FILE_LIMIT:
        raise UnreadableError(f"{path}: 文件过大, 不像证书 too large to be certificates")
    blocks = _PEM.findall(data)
    if not blocks and data[:1] == b"\x30":
        return [data]
    if not blocks:
        held = " (文件里是别的内容 it holds something else)" if b"-----BEGIN " in data else ""
        raise UnreadableError(f"{path}: 没有证书 no certificate in this file{held}")
    return [base64.b64decode(block) for block in blocks]  # leaves out what is no base64; `parse` sees to the rest


def _lines(credential: Credential, now: float) -> Iterator[tuple[str, str]]:
    yield "主体 subject", credential.subject or "–"
    yield "颁发者 issuer", credential.issuer or "–"
    yield "序列号 serial", f"{credential.serial:X}"
    yield "生效 not before", _date(credential.not_before)
    yield "到期 not after", f"{_date(credential.not_after)} ({_remaining(credential, now)})"
    yield "公钥指纹 key pin (institutions.*.keys)", f"sha256:{credential.spki}"
    for name in ID_FIELDS:
        if credential.occurrences(name):
            yield f"机构编号 institution_id {name}", _identity(credential, name)


def _identity(credential: Credential, name: str) -> str:
    """The id, or why this field names nobody."""
    found = credential.ids(name)
    if found is not None:
        return found
    many = credential.occurrences(name)
    values = ", ".join(clean(value) for value in credential.found(name)[:5])
    if many > 1:
        return f"不可用 not usable, {many} 个值 values: {values}"
    return f"不可用 not usable (only letters, digits and ._- up to 64): {values}"


def _remaining(credential: Credential, now: float) -> str:
    days = int((credential.not_after - now) // _DAY)
    if now > credential.not_after:
        return f"已过期 {-days} 天 expired {_days(-days)} ago"
    if now < credential.not_before:
        return "尚未生效 not valid yet"
    return f"还剩 {days} 天 {_days(days)} left"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
