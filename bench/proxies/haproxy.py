"""HAProxy as a careful operator would set it up for this work."""

from __future__ import annotations

from typing import Final

from bench.programs import installed
from bench.proxies.setting import Recipe, Setting, most_connections

_LINE: Final = (
    '{"time":"%trl","institution":"%[var(sess.institution)]","client":"%ci","method":"%HM","target":"%HU",'
    '"status":%ST,"node":"%s","bytes_in":%U,"bytes_out":%B,"duration":%Ta,"upstream_duration":%Tr,'
    '"request_id":"%[var(txn.request)]","resumed":"%[ssl_fc_is_resumed]","tls":"%sslv"}'
)
"""The fields of the gateway's own line."""


def haproxy(setting: Setting) -> Recipe:
    path = setting.folder / "haproxy.cfg"
    path.write_text(_configuration(setting), encoding="utf-8")
    return Recipe(
        (installed("haproxy"), "-db", "-f", str(path)),
        f"http://127.0.0.1:{setting.metrics_port}/metrics",
        output=setting.access_log.name,
    )


def _configuration(setting: Setting) -> str:
    # - Identity and certificate are read once per connection (tcp-request session), not once per request.
    # - http-reuse always: the default opens a connection to a node for each client's first request.
    # - Standard output is the access log's file: one write a line costs less than a datagram to a receiver.
    # - What is added to a head (the certificate above all) is larger than the usual reserve.
    files, most = setting.certificates, most_connections()
    nodes = "\n".join(f"    server node{number} {node}" for number, node in enumerate(setting.nodes, 1))
    return f"""\
global
    maxconn {most}
    nbthread {setting.workers}
    log stdout format raw local0 info
    ssl-default-bind-options ssl-min-ver TLSv1.2
    tune.maxrewrite 4096
defaults
    mode http
    log global
    maxconn {most}
    timeout connect 3s
    timeout client 75s
    timeout server 60s
    timeout http-keep-alive 75s
    timeout http-request 60s
    http-reuse always
    retries 2
    option dontlognull
frontend settlement
    bind 127.0.0.1:{setting.port} backlog 4096 ssl crt {files.server_both} ca-file {files.anchor} verify required
    tcp-request session set-var(sess.institution) ssl_c_s_dn(UID)
    tcp-request session set-var(sess.certificate) ssl_c_der,base64
    http-request set-header X-Institution-Id %[var(sess.institution)]
    http-request set-header Client-Cert :%[var(sess.certificate)]:
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request add-header Via "1.1 bench"
    http-request set-var(txn.request) req.hdr(x-request-id)
    log-format '{_LINE}'
    http-request deny deny_status 404 unless {{ path_beg /claims/ }}
    default_backend settlement
backend settlement
    balance leastconn
{nodes}
frontend metrics
    bind 127.0.0.1:{setting.metrics_port}
    no log
    http-request use-service prometheus-exporter if {{ path /metrics }}
"""
