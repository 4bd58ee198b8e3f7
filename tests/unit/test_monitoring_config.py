"""Admin, log and alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring.config import AdminConfig, AlertsConfig, EmailChannel, LogConfig, SmsHttp

TLS = {"tls": {"certificate": "a.pem", "key": "a.key"}, "trust": {"anchors": ["ca.pem"]}}


@pytest.mark.parametrize("bind", ["127.0.0.1:19901", "127.9.9.9:1", "[::1]:19901", "127.0.0.1:0"])
def test_admin_on_loopback(bind: str) -> None:
    assert str(AdminConfig.model_validate({"bind": bind}).bind) == bind


@pytest.mark.parametrize("bind", ["0.0.0.0:19901", "[::]:19901", "192.0.2.1:19901"])
def test_admin_elsewhere_is_refused_with_and_without_tls(bind: str) -> None:
    with pytest.raises(ValidationError, match="whoever reaches the admin API"):
        AdminConfig.model_validate({"bind": bind})
    with pytest.raises(ValidationError, match="not yet in force"):
        AdminConfig.model_validate({"bind": bind} | TLS)


def test_log_targets() -> None:
    assert LogConfig().access == "stdout"
    assert LogConfig.model_validate({"access": "none"}).access == "none"
    context = {"folder": Path("/var/log")}
    assert LogConfig.model_validate({"access": "access.log"}, context=context).access == Path("/var/log/access.log")
    for value in (5, "", True):
        with pytest.raises(ValidationError):
            LogConfig.model_validate({"access": value})


MAIL = {"server": "mail.example:25", "from": "a@example", "to": ["b@example"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tls": True, "starttls": True}, "either tls or starttls"),
        ({"username": "u"}, "password is missing"),
        ({"password": "hunter2"}, "username is missing"),
        ({"username": "u", "password": "hunter2"}, "in clear text"),
        ({"to": []}, "at least 1"),
        ({"from": "nobody"}, "NAME@DOMAIN"),
        ({"from": "a@b\r\nBcc: c@d"}, "NAME@DOMAIN"),
    ],
)
def test_mail(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        EmailChannel.model_validate(MAIL | values)
    assert "hunter2" not in str(caught.value)


def test_a_password_may_travel_under_tls_or_on_loopback() -> None:
    credentials = {"username": "u", "password": "hunter2"}
    for values in ({"tls": True}, {"starttls": True}, {"server": "127.0.0.1:25"}, {"server": "localhost:25"}):
        assert EmailChannel.model_validate(MAIL | credentials | values).password is not None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "http:///x",
        "a",
        "",
        "http://a b/",
        "http://u:p@a/",
        "http://a:99999/",
        "http://[::1/",
        "http://a/\n",
    ],
)
def test_urls(url: str) -> None:
    with pytest.raises(ValidationError):
        SmsHttp(url=url)


def test_the_query_of_a_url_is_not_shown() -> None:
    http = SmsHttp(url="https://sms.example/send?key=hunter2", template="{text}")
    assert http.model_dump(mode="json")["url"] == "https://sms.example/send?<secret>"
    assert SmsHttp.model_validate(http.model_dump(mode="json")).url.startswith("https://")
    with pytest.raises(ValidationError, match=r"must contain \{text\}"):
        SmsHttp(url="https://sms.example/", template="x")


def test_channels_are_known_and_of_one_kind() -> None:
    sms = {"sms": {"http": {"url": "http://127.0.0.1/"}, "to": ["13800000000"]}}
    AlertsConfig.model_validate({"channels": {"a": sms}, "routes": [{"when": ["node_down"], "send": ["a"]}]})
    with pytest.raises(ValidationError, match='did you mean "duty"'):
        AlertsConfig.model_validate({"channels": {"duty": sms}, "routes": [{"when": ["node_down"], "send": ["duti"]}]})
    for channel in ({}, {"email": MAIL} | sms):
        with pytest.raises(ValidationError, match="exactly one of email, sms"):
            AlertsConfig.model_validate({"channels": {"a": channel}})
