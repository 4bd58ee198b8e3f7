"""What is wrong with connections to nodes, said in the log when it begins, changes and ends: not once per attempt."""

from __future__ import annotations

import logging

log = logging.getLogger("settlegate.nodes")


class Complaints:
    """What is wrong with the nodes of one pool, said in the log when it begins, changes and ends."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._heard: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Complaints {self._pool} {self._heard}>"

    def hear(self, node: str, why: str) -> None:
        if self._heard.get(node) != why:
            self._heard[node] = why
            log.warning("%s: node %s cannot be used: %s", self._pool, node, why)

    def none(self, node: str) -> None:
        if self._heard and self._heard.pop(node, None) is not None:
            log.info("%s: node %s can be used again", self._pool, node)
