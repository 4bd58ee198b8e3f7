from __future__ import annotations

from healthcheck import words
from healthcheck.config import CheckConfig, HttpCheck, MetricConfig, SnmpCheck, TcpCheck
from healthcheck.probes.snmp_poller import SnmpPoller
from healthcheck.roster import Entry, dismiss, enrol
from healthcheck.target import Target, Verdict
from healthcheck.usage import Sample

HTTP, TCP = CheckConfig(http=HttpCheck()), CheckConfig(tcp=TcpCheck())
MEMORY = MetricConfig(comfort=0.6, limit=0.95, eject_above=0.98)
SNMP = CheckConfig(snmp=SnmpCheck(community="public", metrics={"memory": MEMORY}))
POLLER = SnmpPoller()
PASS, FAIL = Verdict(True, words.passes("http")), Verdict(False, words.refused("http"), "connect")


def target(*checks: CheckConfig, port: int = 80, snmp: tuple[str, int] | None = None) -> Target:
    return Target("n", "192.0.2.1", port, checks, snmp)


def enrolled(
    *checks: CheckConfig, old: Entry | None = None, port: int = 80, snmp: tuple[str, int] | None = None
) -> Entry:
    return enrol(target(*checks, port=port, snmp=snmp), old, POLLER, 0.0)


def tell(entry: Entry, at: int, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        entry.slots[at].watch.observe(verdict, 0.0)


def full(memory: float) -> Verdict:
    values = {"memory_total": 1000, "memory_available": round(1000 * (1 - memory))}
    return Verdict(None, words.passes("snmp"), sample=Sample(values))


def test_labels_number_the_second_of_a_kind() -> None:
    assert [slot.label for slot in enrolled(HTTP, TCP, HTTP, SNMP).slots] == ["http", "tcp", "http2", "snmp"]


def test_the_reason_is_that_of_the_check_that_decides() -> None:
    entry = enrolled(HTTP, TCP)
    assert entry.report().active_reason == words.CHECKING
    tell(entry, 0, PASS)
    assert entry.report().active == "checking"
    tell(entry, 1, PASS)
    assert (entry.report().active, entry.report().active_reason) == ("up", words.CHECKS_PASS)
    tell(entry, 1, FAIL)
    assert entry.report().active_reason == words.refused("http").so_far(1, 3)
    tell(entry, 1, FAIL, FAIL)
    assert (entry.report().active, entry.report().active_reason) == ("down", words.refused("http").in_a_row(3))


def test_the_two_inputs_stay_apart() -> None:
    entry = enrolled(HTTP, SNMP)
    tell(entry, 0, PASS)
    tell(entry, 1, full(0.99), full(0.99), full(0.99))
    report = entry.report()
    assert (report.active, report.snmp_eject, report.readings) == ("up", True, {"memory": 0.99})
    assert report.factor < 1.0
    tell(entry, 0, FAIL, FAIL, FAIL)
    assert entry.report().snmp_reason == report.snmp_reason


def test_without_checks() -> None:
    report = enrolled().report()
    assert (report.active, report.active_reason, report.snmp_reason) == ("up", words.NO_CHECKS, words.NO_SNMP)
    assert enrolled(SNMP).report().active == "up", "SNMP alone keeps nobody waiting"


def test_new_checks_begin_with_the_state_of_their_target() -> None:
    up = enrolled(HTTP)
    tell(up, 0, PASS)
    after = enrolled(HTTP, HTTP, TCP, old=up)
    assert after.slots[0] is up.slots[0]
    assert after.report().active == "up"
    down = enrolled(HTTP)
    tell(down, 0, FAIL, FAIL, FAIL)
    assert enrolled(TCP, old=down).report().active == "down"
    assert down.slots[0].gone
    assert enrolled(TCP, old=enrolled(HTTP)).report().active == "checking"


def test_another_address_is_another_node() -> None:
    old = enrolled(HTTP, SNMP)
    tell(old, 0, PASS)
    new = enrolled(HTTP, SNMP, old=old, port=81)
    assert new.report().active == "checking"
    assert all(slot.gone for slot in old.slots)
    dismiss(new)
    assert all(slot.gone for slot in new.slots)


def test_another_agent_keeps_the_weight_and_nothing_else() -> None:
    old = enrolled(SNMP)
    tell(old, 0, full(0.99), full(0.99), full(0.99))
    factor = old.report().factor
    assert enrolled(SNMP, old=old).report().snmp_eject, "the same agent"
    report = enrolled(SNMP, old=old, snmp=("192.0.2.9", 161)).report()
    assert (report.factor, report.snmp_eject, report.snmp_reason) == (factor, False, words.SNMP_WAITING)
