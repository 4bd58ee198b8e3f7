from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import gateway
from certs import credential as credentials
from certs.credential import Credential
from certs.evidence import Evidence
from certs.verdict import PRECEDENCE
from gateway.admission import FIELDS, Admission, Refusal, decide

SPKI = "ab" * 32
FIELD = "subject.UID"


@dataclass(frozen=True)
class Rules:
    enabled: Any = True
    keys: Any = ()


def credential(*uids: str, **other: tuple[str, ...]) -> Credential:
    values = tuple(uids if name == FIELD else other.get(name, ()) for name in credentials.FIELDS)
    return Credential(b"ZGVy", "00" * 32, SPKI, 7, "CN=CA", "CN=x", 0.0, 1.0, values)


GOOD = Evidence(credential=credential("H1"), presented=True, verified=True)
INSTITUTIONS = {"H1": Rules()}


def ask(evidence: Evidence = GOOD, **changes: Any) -> Admission | Refusal:
    given_values: dict[str, Any] = {"institution_field": FIELD, "unlisted": "refuse", "institutions": INSTITUTIONS}
    return decide(evidence, **{**given_values, **changes})


def told(evidence: Evidence = GOOD, **changes: Any) -> str:
    answer = ask(evidence, **changes)
    assert isinstance(answer, Refusal)
    return answer.reason


def test_the_one_yes() -> None:
    assert GOOD.credential is not None
    assert ask() == Admission("H1", GOOD.credential)


@pytest.mark.parametrize("reason", PRECEDENCE)
def test_every_error_is_a_no(reason: str) -> None:
    assert told(replace(GOOD, errors=frozenset({reason}))) == reason


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(PRECEDENCE, 2)))
def test_precedence(first: str, second: str) -> None:
    assert told(replace(GOOD, errors=frozenset({second, first}))) == first


def test_an_error_without_a_word_is_a_no() -> None:
    assert told(replace(GOOD, errors=frozenset({"something new"}))) == "certificate_invalid"


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(), "certificate_missing"),
        (Evidence(resumed=True), "certificate_missing"),
        (replace(GOOD, presented=False), "certificate_missing"),
        (replace(GOOD, internal=True), "internal"),
        (replace(GOOD, malformed=True), "certificate_invalid"),
        (replace(GOOD, malformed=None), "certificate_invalid"),  # type: ignore[arg-type]
        (replace(GOOD, malformed=True, errors=frozenset({"issuer_unknown"})), "issuer_unknown"),
        (replace(GOOD, verified=False), "internal"),
        (replace(GOOD, credential=None), "internal"),
        (Evidence(presented=True), "internal"),
        (replace(GOOD, verified="yes"), "internal"),  # type: ignore[arg-type]
        (replace(GOOD, presented=1), "certificate_missing"),  # type: ignore[arg-type]
        (replace(GOOD, internal=None), "internal"),  # type: ignore[arg-type]
        (replace(GOOD, credential="H1"), "internal"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_an_explicit_yes(evidence: Evidence, reason: str) -> None:
    assert told(evidence) == reason


@pytest.mark.parametrize(
    ("uids", "reason"),
    [
        ((), "identity_missing"),
        (("H1", "H1"), "institution_unknown"),
        (("H2",), "institution_unknown"),
        (("H1\n",), "institution_unknown"),
        (("H1\0",), "institution_unknown"),
        (("",), "institution_unknown"),
        (("h1",), "institution_unknown"),
    ],
)
def test_identity(uids: tuple[str, ...], reason: str) -> None:
    assert told(replace(GOOD, credential=credential(*uids))) == reason


def test_the_listener_says_which_field_counts() -> None:
    two = replace(GOOD, credential=credential("H1", **{"subject.CN": ("H2",)}))
    both = {"H1": Rules(), "H2": Rules()}
    answers = [ask(two, institution_field=field, institutions=both) for field in (FIELD, "subject.CN")]
    assert [answer.institution for answer in answers if isinstance(answer, Admission)] == ["H1", "H2"]
    assert told(two, institution_field="subject.SN") == "internal"


def test_unlisted_institutions() -> None:
    assert told(institutions={}) == "institution_unknown"
    assert isinstance(ask(institutions={}, unlisted="admit"), Admission)
    malformed = replace(GOOD, credential=credential("H 1"))
    assert told(malformed, institutions={}, unlisted="admit") == "institution_unknown"
    assert told(institutions={"H1": Rules(enabled=False)}, unlisted="admit") == "institution_disabled"


@pytest.mark.parametrize("word", ["", "Admit", "admit ", "true", None, True])
def test_only_one_word_admits_the_unlisted(word: object) -> None:
    assert told(institutions={}, unlisted=word) == "institution_unknown"


def test_pins() -> None:
    pinned = {"H1": Rules(keys=(f"sha256:{'cd' * 32}", f"sha256:{SPKI}"))}
    assert isinstance(ask(institutions=pinned), Admission)
    assert told(institutions={"H1": Rules(keys=(f"sha256:{'cd' * 32}",))}) == "pin_mismatch"
    assert told(institutions={"H1": Rules(keys=(SPKI,))}) == "pin_mismatch"
    assert told(institutions={"H1": Rules(keys=("sha256:",), enabled=False)}) == "pin_mismatch"


@pytest.mark.parametrize("enabled", [False, None, 0, 1, "true"])
def test_disabled_unless_exactly_enabled(enabled: object) -> None:
    assert told(institutions={"H1": Rules(enabled=enabled)}) == "institution_disabled"


def test_strangers_cannot_probe_institutions() -> None:
    """Whatever the registry holds, somebody without a path to an anchor hears the same words."""
    stranger = replace(GOOD, verified=False, errors=frozenset({"issuer_unknown"}), detail="depth 0: 20")
    registries: list[Any] = [{}, INSTITUTIONS, {"H1": Rules(enabled=False)}, {"H1": Rules(keys=("x",))}, None]
    answers = [ask(stranger, institutions=registry) for registry in registries]
    assert answers == [Refusal("issuer_unknown", "depth 0: 20")] * len(registries)


@pytest.mark.parametrize("registry", [None, 5, {"H1": object()}, {"H1": Rules(keys=5)}])
def test_a_broken_registry_refuses_and_does_not_raise(registry: object) -> None:
    assert told(institutions=registry) == "internal"


FLAGS = st.sampled_from([True, False, None, 0, 1, "yes"])
CREDENTIALS = st.none() | st.lists(st.sampled_from(["H1", "H2", "", "H1\n"]), max_size=2).map(
    lambda ids: credential(*ids)
)
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "credential": CREDENTIALS,
    "errors": st.frozensets(st.sampled_from([*PRECEDENCE, "?"]), max_size=2),
    "resumed": st.booleans(),
    "malformed": FLAGS,
    "internal": FLAGS,
    "presented": FLAGS,
    "verified": FLAGS,
}
EVIDENCE = st.fixed_dictionaries({}, optional=CHANGES).map(lambda changes: replace(GOOD, **changes))
PINS = st.sampled_from([f"sha256:{SPKI}", "sha256:00", SPKI])
RULES = st.builds(Rules, enabled=st.just(True) | FLAGS, keys=st.lists(PINS, max_size=2))
REGISTRY = st.dictionaries(st.sampled_from(["H1", "H2", "H1\n", ""]), RULES)
LISTENER = st.fixed_dictionaries(
    {
        "institution_field": st.just(FIELD) | st.sampled_from([*sorted(FIELDS), "subject.X", ""]),
        "unlisted": st.sampled_from(["admit", "refuse", "", None]),
    }
)


@settings(max_examples=500, deadline=None)
@given(EVIDENCE, REGISTRY, LISTENER)
def test_no_admission_unless_everything_holds(
    evidence: Evidence, registry: dict[str, Rules], listener: dict[str, Any]
) -> None:
    answer = decide(evidence, institutions=registry, **listener)
    if isinstance(answer, Refusal):
        assert answer.reason
        return
    found = evidence.credential
    assert found is not None
    assert answer.credential is found
    assert evidence.errors == frozenset()
    assert (evidence.presented, evidence.verified) == (True, True)
    assert (evidence.malformed, evidence.internal) == (False, False)
    assert found.found(listener["institution_field"]) == (answer.institution,)
    assert answer.institution.isascii()
    assert 0 < len(answer.institution) <= 64
    rules = registry.get(answer.institution)
    if rules is None:
        assert listener["unlisted"] == "admit"
    else:
        assert rules.enabled is True
        assert not rules.keys or f"sha256:{SPKI}" in rules.keys


def test_the_property_is_about_something() -> None:
    """What the strategies draw does reach admissions, by pins and for the unlisted, too."""
    drawn = st.tuples(EVIDENCE, REGISTRY, LISTENER)

    def admits(case: tuple[Evidence, dict[str, Rules], dict[str, Any]], *, listed: bool) -> bool:
        evidence, registry, listener = case
        answer = decide(evidence, institutions=registry, **listener)
        return isinstance(answer, Admission) and (answer.institution in registry) is listed

    find(drawn, lambda case: admits(case, listed=True))
    find(drawn, lambda case: admits(case, listed=False))


def test_an_admission_is_made_in_one_place() -> None:
    places = []
    for path in Path(gateway.__path__[0]).rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        places += [path.name for call in calls if ast.unparse(call.func).split(".")[-1] == "Admission"]
    assert places == ["admission.py"]
