"""The more lenient of two independent readers of HTTP/1.1: h11, which takes bare LF, folded lines, TE beside CL.

Answers are `http1_strict.Message`s, so that both can be compared.
"""

from __future__ import annotations

import h11

from tests.support.http1_strict import Fields, Malformed, Message, Read

ROOM = 1 << 21


def requests(data: bytes) -> Read:
    """Every request that h11 finds in `data`."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=ROOM)
    server.receive_data(data)
    messages: list[Message] = []
    rest = data
    while rest:
        try:
            message = _next(server)
        except h11.RemoteProtocolError as error:
            raise Malformed(str(error)) from error
        if message is None:
            break
        messages.append(message)
        rest = server.trailing_data[0]
        if not rest:
            break
        server.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))  # 200 would agree to CONNECT
        server.send(h11.EndOfMessage())
        if server.our_state is not h11.DONE or server.their_state is not h11.DONE:
            break  # the sender has said that this was its last message
        server.start_next_cycle()
    return Read(messages, rest)


def responses(data: bytes, methods: list[bytes], *, ended: bool) -> Read:
    """The responses, interim ones included, to requests with these methods, one after the other."""
    messages: list[Message] = []
    rest = data
    for method in methods:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=ROOM)
        client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        client.send(h11.EndOfMessage())
        client.receive_data(rest)
        if ended:
            client.receive_data(b"")
        while True:
            try:
                message = _next(client)
            except h11.RemoteProtocolError as error:
                raise Malformed(str(error)) from error
            if message is None:
                return Read(messages, rest)
            messages.append(message)
            rest = client.trailing_data[0]
            if not message.line[0].startswith(b"1") or message.line[0] == b"101":
                break
    return Read(messages, rest)


def _next(connection: h11.Connection) -> Message | None:
    line: tuple[bytes, bytes] | None = None
    version = b""
    fields: Fields = ()
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return None
        if isinstance(event, h11.Request):
            line, fields = (event.method, event.target), _fields(event.headers)
            version = event.http_version
        elif isinstance(event, h11.InformationalResponse):
            line, fields = (b"%d" % event.status_code, bytes(event.reason)), _fields(event.headers)
            return Message(line, fields, version=event.http_version)
        elif isinstance(event, h11.Response):
            line, fields = (b"%d" % event.status_code, bytes(event.reason)), _fields(event.headers)
            version = event.http_version
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert line is not None
            return Message(line, fields, body, _fields(event.headers), version)


def _fields(headers: object) -> Fields:
    return tuple((bytes(name), bytes(value)) for name, value in headers)  # type: ignore[attr-defined]
