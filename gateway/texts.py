"""What users are told, in Chinese and English: one entry per reason, one home per sentence.

The reader is a pharmacist at a till, not an engineer: each text says what happened and what to do next.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Text(NamedTuple):
    title_zh: str
    title_en: str
    help_zh: str
    help_en: str


TEXTS: Final[dict[str, Text]] = {
    # Refused at the door: 403.
    "certificate_missing": Text(
        "没有出示数字证书",
        "No certificate was presented",
        "请插好 USB Key，关闭所有浏览器窗口后重新打开，并在提示时选择本机构的证书。",
        "Plug in the USB token, close every browser window, open it again and choose your institution's "
        "certificate when asked.",
    ),
    "certificate_expired": Text(
        "数字证书已过期",
        "The certificate has expired",
        "请联系医保经办机构或证书签发单位更新证书；如果您认为证书没有到期，请确认选用的是新证书，而不是旧证书。",
        "Ask the settlement office or the certificate's issuer to renew it. If it should still be valid, make "
        "sure the new certificate was chosen, not the old one.",
    ),
    "certificate_not_yet_valid": Text(
        "数字证书尚未生效",
        "The certificate is not valid yet",
        "请在证书的生效时间之后再试；如果生效时间已过，请把本页内容转告医保经办机构。",
        "Try again after the date on which it becomes valid. If that date has passed, send this page to the "
        "settlement office.",
    ),
    "certificate_revoked": Text(
        "数字证书已被吊销",
        "The certificate has been revoked",
        "此证书已被签发单位注销，不能再使用。请联系医保经办机构办理新证书。",
        "Its issuer has withdrawn this certificate and it cannot be used again. Ask the settlement office for a "
        "new one.",
    ),
    "certificate_invalid": Text(
        "数字证书无效",
        "The certificate is not valid",
        "证书内容有误或已损坏。请换用本机构的其他证书重试；仍不成功，请联系证书签发单位重新制作。",
        "It is damaged or malformed. Try another certificate of your institution; if that fails, too, have the "
        "issuer make a new one.",
    ),
    "crl_missing": Text(
        "暂时无法核实证书状态",
        "The certificate cannot be checked at present",
        "系统缺少证书吊销列表，与您的证书和电脑无关。请稍后再试；持续出现请致电医保经办机构技术支持。",
        "The gateway lacks a revocation list; neither your certificate nor your computer is at fault. Try again "
        "later, and call support if it lasts.",
    ),
    "crl_stale": Text(
        "暂时无法核实证书状态",
        "The certificate cannot be checked at present",
        "系统的证书吊销列表已过期，与您的证书和电脑无关。请稍后再试；持续出现请致电医保经办机构技术支持。",
        "The gateway's revocation list is out of date; neither your certificate nor your computer is at fault. "
        "Try again later, and call support if it lasts.",
    ),
    "issuer_unknown": Text(
        "无法识别证书的签发单位",
        "The certificate's issuer is not known here",
        "请确认选用的是医保结算专用证书，而不是网银、税务等其他证书；重新打开浏览器后再选一次。",
        "Make sure you chose the certificate for settlement, not one for banking or taxes; reopen the browser "
        "and choose again.",
    ),
    "purpose_wrong": Text(
        "证书用途不符",
        "The certificate is for another purpose",
        "此证书不能用于身份登录。请选用本机构的登录证书，或请签发单位补发。",
        "This certificate may not be used to log in. Choose your institution's log-in certificate, or ask the "
        "issuer for one.",
    ),
    "hardware_key_required": Text(
        "必须使用 USB Key 中的证书",
        "A certificate on a USB token is required",
        "当前证书的密钥不在 USB Key 中。请插好 USB Key，并选用其中的证书。",
        "The key of this certificate is not held by a token. Plug in the USB token and choose the certificate on it.",
    ),
    "pin_mismatch": Text(
        "证书与登记的密钥不一致",
        "The certificate's key is not the registered one",
        "本机构登记的是另一个密钥。请换用登记时的 USB Key；如果刚更换过 USB Key 或证书，请联系医保经办机构更新登记。",
        "Another key is registered for your institution. Use the registered USB token; if it has just been "
        "replaced, ask the settlement office to update the registration.",
    ),
    "identity_missing": Text(
        "证书中没有机构编码",
        "The certificate names no institution",
        "请确认选用的是机构证书而不是个人证书；如无误，请联系签发单位核对证书内容。",
        "Make sure you chose the institution's certificate, not a personal one; if so, ask the issuer to check "
        "what it says.",
    ),
    "institution_unknown": Text(
        "机构未登记",
        "The institution is not registered",
        "本系统没有登记证书中的机构编码。请把下面的信息转告医保经办机构，申请开通。",
        "The institution named by the certificate is not registered here. Send the details below to the "
        "settlement office and ask for access.",
    ),
    "institution_disabled": Text(
        "机构已被停用",
        "The institution's access is switched off",
        "本机构的接入已被停用。请联系医保经办机构了解原因并申请恢复。",
        "Access for your institution has been switched off. Ask the settlement office why, and to restore it.",
    ),
    "route_forbidden": Text(
        "没有使用此业务的权限",
        "This service is not open to your institution",
        "请核对网址；如果确需使用此业务，请联系医保经办机构开通。",
        "Check the address; if you need this service, ask the settlement office to open it for you.",
    ),
    "internal": Text(
        "系统内部错误",
        "Something went wrong inside the gateway",
        "不是您的操作有误。请稍后再试；持续出现请把下面的请求编号告知技术支持。",
        "It is not your fault. Try again later; if it lasts, tell support the request number below.",
    ),
    "proxy_peer_unknown": Text(
        "不能从此网络直接连接",
        "This network cannot connect directly",
        "本端口只接受来自指定负载均衡设备的连接。请核对软件中的服务地址；运维人员请检查 proxy_protocol.from。",
        "This port takes connections from the balancers in front of it alone. Check the service address set in your "
        "software; operators check proxy_protocol.from.",
    ),
    "proxy_header_invalid": Text(
        "负载均衡设备的设置有误",
        "The balancer in front is set up wrongly",
        "负载均衡设备没有按时发送正确的 PROXY 协议头，与您的证书和电脑无关。请致电医保经办机构技术支持。",
        "A balancer in front of the gateway did not send a sound PROXY header in time; neither your certificate nor "
        "your computer is at fault. Call support.",
    ),
    # The request itself.
    "plain_http": Text(
        "请使用 https 访问",
        "HTTPS is needed here",
        "地址应以 https 开头，本端口只接受加密连接。请修改软件中的地址后重试。",
        "The address must begin with https://: this port takes encrypted connections only. Correct it in your "
        "software and try again.",
    ),
    "bad_request": Text(
        "请求格式不正确",
        "The request is malformed",
        "您的软件发出的请求不符合规范，已被拒绝。请升级软件，或把请求编号告知软件供应商。",
        "Your software sent a request that breaks the rules of HTTP. Update it, or tell its vendor the request number.",
    ),
    "request_timeout": Text(
        "请求接收超时",
        "The request did not arrive in time",
        "网络可能不稳定。请检查网络后重试；提交结算前请先查询上一笔是否已成功。",
        "The network may be unstable. Check it and try again; before you submit a settlement again, look up "
        "whether the last one went through.",
    ),
    "no_route": Text(
        "没有这个地址",
        "There is nothing at this address",
        "请核对网址或软件中的服务地址设置；仍不成功，请联系软件供应商。",
        "Check the address, or the service address set in your software; if that does not help, ask its vendor.",
    ),
    "method_not_allowed": Text(
        "不允许的请求方法",
        "This request method is not allowed",
        "本系统不接受 CONNECT 和 TRACE 请求。请检查浏览器的代理设置，或联系软件供应商。",
        "CONNECT and TRACE are not accepted here. Check the browser's proxy settings, or ask the software's vendor.",
    ),
    "body_too_large": Text(
        "提交的内容过大",
        "What was sent is too large",
        "请减少单次提交的数据，例如分批上传明细或压缩附件。",
        "Send less at once: split the upload into batches or make the attachments smaller.",
    ),
    "target_too_long": Text(
        "网址过长",
        "The address is too long",
        "请减少查询条件后重试；如果由软件自动生成，请联系软件供应商。",
        "Use fewer search conditions and try again; if software made the address, ask its vendor.",
    ),
    "head_too_large": Text(
        "请求头过大",
        "The request's head is too large",
        "请清除浏览器中本网站的 Cookie 后重试；仍不成功，请联系软件供应商。",
        "Delete this site's cookies in the browser and try again; if that does not help, ask the software's vendor.",
    ),
    "limit_exceeded": Text(
        "请求过于频繁",
        "Too many requests",
        "本机构同时或短时间内的请求超过上限。请稍候再试；如果业务量确实增大，请联系医保经办机构调整上限。",
        "Your institution has sent more at once, or in a short time, than it may. Wait a little and try again; if "
        "your business has grown, ask the settlement office for a higher limit.",
    ),
    "coding_not_implemented": Text(
        "不支持的请求方式",
        "The request uses something not supported here",
        "请求使用了本系统不支持的方法或传输编码。请升级软件，或联系软件供应商。",
        "The request uses a method or a transfer coding that is not supported. Update the software, or ask its vendor.",
    ),
    "version_not_supported": Text(
        "不支持的协议版本",
        "This version of the protocol is not supported",
        "本系统只支持 HTTP/1.0 和 HTTP/1.1。请升级浏览器或软件。",
        "Only HTTP/1.0 and HTTP/1.1 are supported here. Update the browser or the software.",
    ),
    # Behind the gateway.
    "node_unreachable": Text(
        "结算服务暂时无法连接",
        "The service cannot be reached at present",
        "请求没有送达，可以放心重试。请稍后再试；持续出现请致电医保经办机构技术支持。",
        "The request was not delivered, so it is safe to repeat. Try again shortly; call support if it lasts.",
    ),
    "node_protocol_error": Text(
        "结算服务返回异常",
        "The service gave a faulty answer",
        "请求可能已被处理。请先查询上一笔是否已成功，再决定是否重新提交。",
        "The request may have been carried out. Look up whether it went through before you submit it again.",
    ),
    "node_timeout": Text(
        "结算服务响应超时",
        "The service took too long to answer",
        "请求可能已被处理。请先查询上一笔是否已成功，再决定是否重新提交。",
        "The request may have been carried out. Look up whether it went through before you submit it again.",
    ),
    "no_node": Text(
        "结算服务暂停",
        "The service is unavailable at present",
        "请求没有送达，可以放心重试。服务正在维护或恢复，请稍后再试。",
        "The request was not delivered, so it is safe to repeat. The service is being maintained or restored; try "
        "again shortly.",
    ),
    "queue_full": Text(
        "系统繁忙",
        "The service is busy",
        "请求没有送达，可以放心重试。当前业务量很大，请稍候再试。",
        "The request was not delivered, so it is safe to repeat. Many are using the service right now; try again "
        "in a moment.",
    ),
    "queue_timeout": Text(
        "排队等待超时",
        "The wait for a free place was too long",
        "请求没有送达，可以放心重试。当前业务量很大，请稍候再试。",
        "The request was not delivered, so it is safe to repeat. Many are using the service right now; try again "
        "in a moment.",
    ),
}

FACTS: Final[dict[str, tuple[str, str]]] = {
    "holder": ("证书持有者", "Certificate holder"),
    "institution": ("机构编码", "Institution"),
    "serial": ("证书序列号", "Serial number"),
    "issuer": ("签发单位", "Issuer"),
    "not_before": ("生效时间", "Valid from"),
    "not_after": ("到期时间", "Valid until"),
    "gateway_time": ("网关时间", "Time at the gateway"),
}
"""What a page may say about the certificate, in this order, if the caller gives it."""

REQUEST_NUMBER: Final = ("请求编号", "Request number")
REASON: Final = ("原因代码", "Reason code")
DETAIL: Final = ("技术信息", "Technical detail")
CALL_SUPPORT: Final = (
    "如需帮助，请联系当地医保经办机构，并提供本页信息。",
    "If you need help, call your settlement office and read out what this page says.",
)
