from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from healthcheck.pool_guard import Standing, allowed_ejections

GOOD, BAD = Standing(serving=True, eject=False), Standing(serving=True, eject=True)
DEAD = Standing(serving=False, eject=True)


def test_one_of_two_may_go_and_both_may_not() -> None:
    assert allowed_ejections({"a": BAD, "b": GOOD}, 1) == {"a"}
    assert allowed_ejections({"a": BAD, "b": BAD}, 1) == set()
    assert allowed_ejections({"a": BAD}, 1) == set()
    assert allowed_ejections({"a": BAD, "b": GOOD}, 2) == set(), "min_healthy"
    assert allowed_ejections({}, 1) == set()


def test_nodes_that_others_took_out_do_not_count_as_serving() -> None:
    assert allowed_ejections({"a": BAD, "b": GOOD, "c": DEAD}, 1) == {"a"}
    assert allowed_ejections({"a": BAD, "c": DEAD}, 1) == set()


def test_the_most_loaded_goes_first_and_who_is_out_stays_out() -> None:
    pool = {"a": BAD._replace(load=0.981), "b": BAD._replace(load=0.999), "c": GOOD, "d": GOOD}
    assert allowed_ejections(pool, 3) == {"b"}
    assert allowed_ejections(pool | {"a": pool["a"]._replace(ejected=True)}, 3) == {"a"}
    assert allowed_ejections(pool, 2) == {"a", "b"}


standings = st.builds(Standing, st.booleans(), st.booleans(), st.floats(0, 1), st.booleans())


@given(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), standings), st.integers(0, 5))
def test_never_below_min_healthy_and_never_more_than_half(pool: dict[str, Standing], min_healthy: int) -> None:
    out = allowed_ejections(pool, min_healthy)
    serving = {name for name, node in pool.items() if node.serving}
    assert all(pool[name].eject and name in serving for name in out)
    assert len(out) * 2 <= len(serving)
    if out:
        assert len(serving) - len(out) >= min_healthy
