"""How problems are printed and travel."""

from __future__ import annotations

import pickle

from settings.errors import ConfigError, Problem, RuleError, RulesError


def test_the_line_of_a_problem() -> None:
    problem = Problem("gateway.yaml", 57, 5, "pools.clinic.polcy", 'unknown key; did you mean "policy"?')
    assert str(problem) == 'gateway.yaml:57:5: pools.clinic.polcy: unknown key; did you mean "policy"?'
    assert str(Problem("gateway.yaml", 0, 0, "", "no such file")) == "gateway.yaml: no such file"
    assert str(Problem("gateway.yaml", 1, 1, "", "empty")) == "gateway.yaml:1:1: empty"


def test_sorted_by_place_and_each_once() -> None:
    first, second, third = (Problem("a", line, 1, "x", "m") for line in (2, 10, 11))
    error = ConfigError([third, first, second, first])
    assert error.problems == (first, second, third)
    assert str(error).count("\n") == 2


def test_an_error_survives_pickling() -> None:
    error = ConfigError([Problem("a", 1, 2, "x", "m")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_rules_name_their_place() -> None:
    rule = RuleError("too much", "limits", 0, uses=(("other",),))
    assert rule.at == ("limits", 0)
    assert str(RulesError([rule, rule])) == "too much; too much"
