"""nginx as a careful operator would set it up for this work."""

from __future__ import annotations

from bench.programs import installed
from bench.proxies.setting import Recipe, Setting, most_connections


def nginx(setting: Setting) -> Recipe:
    path = setting.folder / "nginx.conf"
    path.write_text(_configuration(setting), encoding="utf-8")
    return Recipe(
        (installed("nginx"), "-p", str(setting.folder), "-e", str(setting.folder / "error.log"), "-c", str(path)),
        f"http://127.0.0.1:{setting.metrics_port}/metrics",
    )


def _configuration(setting: Setting) -> str:
    # - least_conn with a cache of connections per worker that is large enough never to close one early.
    # - The log is buffered, and escaped as JSON, with the fields that the gateway writes.
    # - $ssl_client_escaped_cert is the only form of the certificate that fits into one field; nginx makes it anew for
    #   each request, and so it does with the DN: there is no variable that lives as long as a connection.
    # - Large bodies stream in both directions, through buffers of a size tried out; nothing goes to temporary files.
    #   Small ones are read before they are passed on, which costs less.
    # - reuseport only with several workers: without it a rush lands unevenly.
    most = most_connections()
    files, nodes = setting.certificates, "\n".join(f"        server {node};" for node in setting.nodes)
    return f"""\
daemon off;
worker_processes {setting.workers};
worker_rlimit_nofile {2 * most + 500};
pid {setting.folder}/nginx.pid;
error_log {setting.folder}/error.log warn;
events {{
    worker_connections {2 * most + 200};
}}
http {{
    log_format claims escape=json '{{"time":"$time_iso8601","institution":"$institution","client":"$remote_addr",'
        '"method":"$request_method","target":"$request_uri","status":$status,"node":"$upstream_addr",'
        '"bytes_in":$request_length,"bytes_out":$body_bytes_sent,"duration":$request_time,'
        '"upstream_duration":"$upstream_response_time","request_id":"$http_x_request_id",'
        '"resumed":"$ssl_session_reused","tls":"$ssl_protocol"}}';
    access_log {setting.access_log} claims buffer=64k flush=1s;
    map $ssl_client_s_dn $institution {{
        default "";
        "~(?:^|,)UID=(?<uid>[A-Za-z0-9._-]+)" $uid;
    }}
    client_body_temp_path {setting.folder}/body;
    proxy_temp_path {setting.folder}/proxy;
    fastcgi_temp_path {setting.folder}/fastcgi;
    uwsgi_temp_path {setting.folder}/uwsgi;
    scgi_temp_path {setting.folder}/scgi;
    server_tokens off;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Institution-Id $institution;
    proxy_set_header Client-Cert $ssl_client_escaped_cert;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header Via "1.1 bench";
    proxy_buffer_size 8k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
    upstream settlement {{
        least_conn;
{nodes}
        keepalive {most};
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{setting.port} ssl backlog=4096{" reuseport" if setting.workers > 1 else ""};
        ssl_certificate {files.server};
        ssl_certificate_key {files.server_key};
        ssl_client_certificate {files.anchor};
        ssl_verify_client on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets on;
        ssl_session_timeout 1h;
        location /claims/ {{
            proxy_pass http://settlement;
        }}
        location /claims/documents {{
            client_body_buffer_size 64k;
            proxy_request_buffering off;
            proxy_pass http://settlement;
        }}
        location / {{
            return 404;
        }}
    }}
    server {{
        listen 127.0.0.1:{setting.metrics_port};
        access_log off;
        location /metrics {{
            stub_status;
        }}
    }}
}}
"""
