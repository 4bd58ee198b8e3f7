"""What is wrong with a certificate, in the words of the product: OpenSSL's codes as reasons, and which reason is told.

Data first, one table each. A code the table lacks is `certificate_invalid`: unknown trouble is refused, never passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Problem = tuple[int, int]
"""(depth, code): 0 is the client's certificate; codes are OpenSSL's X509_V_ERR_*."""

UNABLE_TO_GET_CRL: Final = 3
CRL_NOT_YET_VALID: Final = 11
CRL_HAS_EXPIRED: Final = 12
CERT_NOT_YET_VALID: Final = 9
CERT_HAS_EXPIRED: Final = 10
CHAIN_TOO_LONG: Final = 22
CERT_REVOKED: Final = 23
INVALID_PURPOSE: Final = 26
ISSUER_UNKNOWN: Final = 20
APPLICATION: Final = 50
EE_KEY_TOO_SMALL: Final = 66
CA_KEY_TOO_SMALL: Final = 67
CA_MD_TOO_WEAK: Final = 68

TIME_CODES: Final = frozenset({CERT_NOT_YET_VALID, CERT_HAS_EXPIRED})
PURPOSE_CODES: Final = frozenset({INVALID_PURPOSE})

REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        # The path does not lead to an anchor, or a signature on it is not the issuer's.
        2: "issuer_unknown",  # UNABLE_TO_GET_ISSUER_CERT
        4: "issuer_unknown",  # UNABLE_TO_DECRYPT_CERT_SIGNATURE
        6: "issuer_unknown",  # UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
        7: "issuer_unknown",  # CERT_SIGNATURE_FAILURE
        18: "issuer_unknown",  # DEPTH_ZERO_SELF_SIGNED_CERT
        19: "issuer_unknown",  # SELF_SIGNED_CERT_IN_CHAIN
        20: "issuer_unknown",  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        21: "issuer_unknown",  # UNABLE_TO_VERIFY_LEAF_SIGNATURE
        27: "issuer_unknown",  # CERT_UNTRUSTED
        29: "issuer_unknown",  # SUBJECT_ISSUER_MISMATCH
        30: "issuer_unknown",  # AKID_SKID_MISMATCH
        31: "issuer_unknown",  # AKID_ISSUER_SERIAL_MISMATCH
        CERT_REVOKED: "certificate_revoked",
        CERT_HAS_EXPIRED: "certificate_expired",
        CERT_NOT_YET_VALID: "certificate_not_yet_valid",
        INVALID_PURPOSE: "purpose_wrong",
        UNABLE_TO_GET_CRL: "crl_missing",
        CRL_NOT_YET_VALID: "crl_stale",
        CRL_HAS_EXPIRED: "crl_stale",
    }
)

PRECEDENCE: Final = (
    "issuer_unknown",
    "certificate_invalid",
    "certificate_revoked",
    "certificate_expired",
    "certificate_not_yet_valid",
    "purpose_wrong",
    "crl_missing",
    "crl_stale",
)
"""Where several hold, the first is told: strangers learn nothing but that they are strangers."""


def reason_of(code: int) -> str:
    return REASONS.get(code, "certificate_invalid")


def reasons_of(problems: Iterable[Problem]) -> frozenset[str]:
    return frozenset(reason_of(code) for _, code in problems)


def first_reason(errors: Iterable[str]) -> str | None:
    """The reason that is told, None only for no error at all. An error we have no word for is certificate_invalid."""
    words = {error if error in PRECEDENCE else "certificate_invalid" for error in errors}
    return next((reason for reason in PRECEDENCE if reason in words), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody stays outside. `reason` is the metric label, `detail` is for the log."""

    reason: str
    detail: str = ""
