"""The decision who enters. Core: evidence and configuration in, an admission or the reason against it out.

The rule is written the safe way round. `_reason_against` names the first thing that is not as it must be; an
`Admission` is made in one place, the last line of `decide`, and only when nothing is named. Evidence that claims
neither an error nor a verification is refused: only an explicit yes is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from certs.credential import ID_FIELDS, Credential
from certs.evidence import Evidence
from certs.verdict import Refusal, first_reason

__all__ = ["Admission", "InstitutionRules", "Refusal", "decide"]

FIELDS: Final = frozenset(ID_FIELDS)


class InstitutionRules(Protocol):
    """What is asked of a configured institution."""

    @property
    def enabled(self) -> bool: ...
    @property
    def keys(self) -> Collection[str]:
        """Pins `sha256:<hex of the SPKI>`; none: any key that the authority has certified."""


@dataclass(frozen=True, slots=True)
class Admission:
    """This connection speaks for this institution."""

    institution: str
    credential: Credential


def decide(
    evidence: Evidence,
    *,
    institution_field: str,
    unlisted: str,
    institutions: Mapping[str, InstitutionRules],
) -> Admission | Refusal:
    """Admit, or say why not. `unlisted`: only the word `admit` lets in who has no entry. Never raises."""
    try:
        reason = _reason_against(evidence, institution_field, unlisted, institutions)
        credential = evidence.credential
        institution = credential.ids(institution_field) if credential is not None else None
    except Exception as error:  # noqa: BLE001 - a broken entry refuses this one client, it does not end the worker
        return Refusal("internal", f"{type(error).__name__} while deciding")
    if reason is not None:
        return reason
    if credential is None or institution is None:
        return Refusal("internal", "nobody to admit")
    return Admission(institution, credential)


def _reason_against(
    evidence: Evidence, institution_field: str, unlisted: str, institutions: Mapping[str, InstitutionRules]
) -> Refusal | None:
    """The first thing that speaks against it, in the order in which it may be told; None: nothing does."""
    return _against_certificate(evidence) or _against_identity(evidence, institution_field, unlisted, institutions)


def _against_certificate(evidence: Evidence) -> Refusal | None:
    if evidence.internal is not False:
        return Refusal("internal", "the certificate could not be judged")
    if evidence.presented is not True:
        return Refusal("certificate_missing")
    errors = evidence.errors if evidence.malformed is False else evidence.errors | {"certificate_invalid"}
    reason = first_reason(errors)
    if reason is not None:
        return Refusal(reason, evidence.detail)
    if evidence.verified is not True or not isinstance(evidence.credential, Credential):
        return Refusal("internal", "no verification of this certificate")
    return None


def _against_identity(
    evidence: Evidence, institution_field: str, unlisted: str, institutions: Mapping[str, InstitutionRules]
) -> Refusal | None:
    """Reached only by holders of a verified certificate: strangers cannot learn here who exists."""
    credential = evidence.credential
    if credential is None or institution_field not in FIELDS:
        return Refusal("internal", f"no institution id in {institution_field}")
    if credential.occurrences(institution_field) == 0:
        return Refusal("identity_missing", f"{institution_field} is absent")
    institution = credential.ids(institution_field)
    if institution is None:
        return Refusal("institution_unknown", f"{institution_field} is malformed or occurs more than once")
    rules = institutions.get(institution)
    if rules is None:
        return None if unlisted == "admit" else Refusal("institution_unknown", f"{institution} has no entry")
    if rules.keys and f"sha256:{credential.spki}" not in rules.keys:
        return Refusal("pin_mismatch", f"{institution}: key sha256:{credential.spki} is not pinned")
    if rules.enabled is not True:
        return Refusal("institution_disabled", institution)
    return None
