"""Why a node is in the state it is in, in Chinese and English, each with a code for programs.

The one home of these sentences: status page, log and alerts print what stands here. What a node or an agent
said never enters a sentence; only numbers and texts of our own configuration do, cut to a length that fits a line.
Core: no asyncio, sockets, files or clock.
"""

from __future__ import annotations

from typing import NamedTuple

NAMES = {"http": ("HTTP check", "HTTP 检查"), "tcp": ("TCP check", "TCP 检查"), "snmp": ("SNMP agent", "SNMP 代理")}
METRICS = {"cpu": ("CPU", "CPU"), "memory": ("memory", "内存")}


class Words(NamedTuple):
    """A reason; `code` is stable, the sentences may be reworded."""

    code: str
    en: str
    zh: str

    def in_a_row(self, times: int) -> Words:
        """The reason that has decided a state."""
        return self._replace(en=f"{self.en} ({times} in a row)", zh=f"{self.zh}(连续 {times} 次)")

    def so_far(self, times: int, needed: int) -> Words:
        """A reason that has not decided anything yet."""
        return self._replace(en=f"{self.en} ({times} of {needed})", zh=f"{self.zh}(第 {times}/{needed} 次)")


def shown(text: str, limit: int = 40) -> str:
    """A configured text as one short printable line."""
    line = "".join(char if char.isprintable() else "?" for char in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _of(kind: str, code: str, en: str, zh: str) -> Words:
    name_en, name_zh = NAMES[kind]
    return Words(f"{kind}_{code}", f"{name_en} {en}", f"{name_zh}{zh}")


# --- the active input ----------------------------------------------------------------------------------------

NO_CHECKS = Words("no_checks", "no active check is configured", "未配置主动检查")
CHECKING = Words("checking", "no probe has ended yet", "尚无检查结果")
CHECKS_PASS = Words("checks_pass", "all checks pass", "检查全部通过")
CARRIED_OVER = Words("carried_over", "state taken over, not probed again yet", "沿用此前状态,尚未重新检查")


def passes(kind: str) -> Words:
    return _of(kind, "passes", "passes", "通过")


def refused(kind: str) -> Words:
    return _of(kind, "refused", "found the connection refused", "连接被拒绝")


def unreachable(kind: str) -> Words:
    return _of(kind, "unreachable", "found no way to the node", "无法到达节点")


def connect_failed(kind: str) -> Words:
    return _of(kind, "connect_failed", "could not connect", "无法建立连接")


def timed_out(kind: str, seconds: float) -> Words:
    return _of(kind, "timed_out", f"got no answer within {seconds:g} s", f"在 {seconds:g} 秒内没有应答")


def internal(kind: str) -> Words:
    return _of(kind, "internal", "failed inside the gateway; see its log", "在网关内部出错,请查看日志")


def closed_early(kind: str) -> Words:
    return _of(kind, "closed_early", "was cut off before a whole answer", "的应答未完即被断开")


def not_http() -> Words:
    return _of("http", "not_http", "got an answer that is not HTTP/1.1", "得到的应答不是 HTTP/1.1")


def tls_failed(kind: str, *, untrusted: bool) -> Words:
    if untrusted:
        return _of(kind, "untrusted", "does not trust the node's certificate", "不信任节点的证书")
    return _of(kind, "tls_failed", "failed in the TLS handshake", "的 TLS 握手失败")


def status(code: int) -> Words:
    return _of("http", "status", f"answered {code}", f"返回 {code}")


def body(wanted: str) -> Words:
    text = shown(wanted)
    return _of("http", "body", f"got a body that lacks “{text}”", f"的响应正文缺少“{text}”")


# --- the SNMP input ------------------------------------------------------------------------------------------

NO_SNMP = Words("no_snmp", "no SNMP check is configured", "未配置 SNMP 检查")
SNMP_WAITING = Words("snmp_waiting", "no SNMP reading yet; weight as configured", "尚无 SNMP 读数,按配置权重分配")
SNMP_LIGHT = Words("snmp_light", "load is comfortable", "负载轻松")
SNMP_LOADED = Words("snmp_loaded", "load lowers the weight", "负载较高,权重已下调")


def snmp_auth(code: str) -> Words:
    """`code`: one of user, digest, decryption, mute, level, window, other."""
    en, zh = {
        "user": ("does not know this user", "不认识该用户"),
        "digest": ("refused the authentication key", "不接受认证密钥"),
        "decryption": ("cannot decrypt; the privacy key differs", "无法解密,加密密钥不一致"),
        "mute": ("is there and does not answer; check the privacy key", "在线但不应答,请检查加密密钥"),
        "level": ("refused the security level", "不接受该安全级别"),
        "window": (
            "disagrees about the time; do two agents share one engine ID?",
            "时间窗口不符,是否有两个代理共用引擎 ID?",
        ),
    }.get(code, ("refused the credentials", "拒绝了凭据"))
    return _of("snmp", f"auth_{code}", en, zh)


def snmp_error() -> Words:
    return _of("snmp", "error", "answered with an error", "应答错误")


def snmp_identity_changed() -> Words:
    en = "has a new engine ID: replaced, reset, or somebody else answers at its address"
    return _of("snmp", "identity_changed", en, "的引擎 ID 已变:可能被更换、重置或冒名应答")


def snmp_unknown(metrics: list[str]) -> Words:
    """The agent answers, and lacks readings of these metrics."""
    en, zh = (" and ".join(METRICS[name][0] for name in metrics), "、".join(METRICS[name][1] for name in metrics))
    return Words("snmp_unknown", f"SNMP agent gives no reading of {en}", f"SNMP 代理没有给出{zh}读数")


def over_limit(metric: str, value: float, limit: float) -> Words:
    """`value` and `limit` as fractions."""
    en, zh = METRICS[metric]
    return Words("over_limit", f"{en} at {value:.0%} is above {limit:.0%}", f"{zh}使用率 {value:.0%} 超过 {limit:.0%}")


def above_until_now(metric: str, limit: float) -> Words:
    """Taken out for its load, and has not been below long enough to return."""
    en, zh = METRICS[metric]
    return Words("over_limit", f"{en} was above {limit:.0%}", f"{zh}使用率曾超过 {limit:.0%}")
