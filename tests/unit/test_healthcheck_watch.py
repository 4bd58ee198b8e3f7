from __future__ import annotations

from healthcheck import words
from healthcheck.config import CheckConfig, HttpCheck, MetricConfig, SnmpCheck
from healthcheck.health import Health
from healthcheck.load import Load
from healthcheck.target import Verdict
from healthcheck.usage import Sample
from healthcheck.watch import ActiveWatch, SnmpWatch

HTTP = CheckConfig(http=HttpCheck(), interval=5.0, fall=3, rise=2)
MEMORY = MetricConfig(comfort=0.6, limit=0.95, eject_above=0.98)
SNMP = CheckConfig(
    snmp=SnmpCheck(community="public", metrics={"cpu": MetricConfig(comfort=0.4, limit=0.9), "memory": MEMORY}),
    interval=10.0,
)
PASS = Verdict(True, words.passes("http"))
FAIL = Verdict(False, words.status(500), "status")


def snmp_answer(memory: float, user: int = 0, idle: int = 0) -> Verdict:
    values = {"memory_total": 1000, "memory_available": round(1000 * (1 - memory)), "cpu_user": user, "cpu_idle": idle}
    return Verdict(None, words.passes("snmp"), sample=Sample(values))


def test_reasons_count_while_a_decision_is_near_and_then_stand_still() -> None:
    watch = ActiveWatch("http", HTTP)
    assert watch.reason == words.CHECKING
    seen = []
    for verdict in (PASS, FAIL, FAIL, PASS, FAIL, FAIL, FAIL, FAIL, FAIL, PASS, PASS):
        watch.observe(verdict, 0.0)
        seen.append((watch.health.state, watch.reason.en))
    failed, passed = "HTTP check answered 500", "HTTP check passes"
    assert seen == [
        ("up", passed),
        ("up", f"{failed} (1 of 3)"),
        ("up", f"{failed} (2 of 3)"),
        ("up", passed),
        ("up", f"{failed} (1 of 3)"),
        ("up", f"{failed} (2 of 3)"),
        ("down", f"{failed} (3 in a row)"),
        ("down", f"{failed} (3 in a row)"),
        ("down", f"{failed} (3 in a row)"),
        ("down", f"{passed} (1 of 2)"),
        ("up", passed),
    ]


def test_the_label_of_a_failure_is_handed_on() -> None:
    watch = ActiveWatch("http", HTTP)
    assert watch.observe(FAIL, 0.0) == "status"
    assert watch.observe(PASS, 0.0) is None


def test_no_evidence_leaves_state_and_reason() -> None:
    watch = ActiveWatch("http", HTTP, Health(up=True))
    watch.observe(Verdict(None, words.internal("http"), "internal"), 0.0)
    assert (watch.health, watch.reason) == (Health(up=True), words.CARRIED_OVER)


def test_resuming() -> None:
    watch = ActiveWatch("http", HTTP)
    watch.resume(False, words.status(500))
    assert (watch.health.state, watch.reason) == ("down", words.status(500))
    watch.resume(True, None)
    assert (watch.health.state, watch.reason) == ("up", words.CARRIED_OVER)
    watch.resume(None, None)
    assert (watch.health.state, watch.reason) == ("checking", words.CHECKING)
    assert repr(watch) == "ActiveWatch(http, checking, streak 0, checking)"


def test_an_active_check_hastens_in_doubt_and_an_snmp_check_never() -> None:
    watch, snmp = ActiveWatch("http", HTTP, Health(up=True)), SnmpWatch(SNMP, Load())
    assert watch.gap() == 5.0
    watch.observe(FAIL, 0.0)
    assert watch.gap() == 1.0
    snmp.observe(snmp_answer(0.99), 0.0)
    assert snmp.gap() == 10.0


def test_snmp_reasons_from_light_to_ejected_and_back() -> None:
    watch = SnmpWatch(SNMP, Load())
    assert watch.reason == words.SNMP_WAITING
    seen = []
    values = [(0.3, 0), (0.3, 10), (0.97, 10), (0.99, 10), (0.99, 10), (0.99, 10), (0.99, 10), (0.5, 10), (0.5, 10)]
    user = idle = 0
    for number, (memory, busy) in enumerate(values):
        user, idle = user + busy, idle + 90
        label = watch.observe(snmp_answer(memory, user, idle), 10.0 * number)
        seen.append((label, watch.reason.en, bool(watch.load.ejecting)))
    over = "memory at 99% is above 98%"
    assert seen[0] == ("unknown_data", "SNMP agent gives no reading of CPU", False)
    assert seen[1] == (None, "load is comfortable", False)
    assert seen[3:] == [
        ("over_limit", f"{over} (1 of 3)", False),
        ("over_limit", f"{over} (2 of 3)", False),
        ("over_limit", f"{over} (3 in a row)", True),
        ("over_limit", f"{over} (3 in a row)", True),
        (None, "memory was above 98%", True),
        (None, "load lowers the weight", False),
    ]
    assert watch.readings == {"cpu": 0.1, "memory": 0.5}


def test_a_silent_agent_gives_the_reason_and_no_readings() -> None:
    watch = SnmpWatch(SNMP, Load())
    silent = Verdict(None, words.timed_out("snmp", 1.0), "timeout")
    assert watch.observe(silent, 0.0) == "timeout"
    assert watch.reason.zh == "SNMP 代理在 1 秒内没有应答"
    assert watch.readings == {"cpu": None, "memory": None}
    assert (watch.load.factor, watch.load.ejecting) == (1.0, [])
    for number in range(3):
        watch.observe(snmp_answer(0.99), 10.0 * number)
    watch.observe(silent, 30.0)
    assert (watch.reason.en, watch.load.ejecting) == ("memory was above 98%", ["memory"])


def test_other_limits_on_the_same_agent_keep_what_is_known() -> None:
    watch = SnmpWatch(SNMP, Load())
    watch.observe(snmp_answer(0.7, 10, 90), 0.0)
    only = SNMP.model_copy(update={"snmp": SnmpCheck(community="public", metrics={"memory": MEMORY})})
    watch.reconfigure(only)
    assert watch.readings == {"memory": 0.7}
    watch.reconfigure(SNMP)
    watch.observe(snmp_answer(0.7, 20, 180), 10.0)
    assert watch.readings["cpu"] == 0.1, "the counters were remembered"


def test_a_weight_taken_over() -> None:
    watch = SnmpWatch(SNMP, Load())
    watch.resume(0.4, 100.0)
    assert watch.load.factor == 0.4
    assert repr(watch) == "SnmpWatch(factor 0.40, ejecting [], snmp_waiting)"
