"""What ends a measurement, in words for the person at the terminal."""

from __future__ import annotations


class BenchError(Exception):
    """A program is missing, a proxy did not start, or a load met failures: there is no number to show."""
