"""Octets that nobody would think of, found by watching which branches they reach (atheris, libFuzzer).

`targets` holds the invariants, `corpus/` inputs that reach something each. In a test run they are replayed and
searched on from for some seconds; `make fuzz SECONDS=600` goes on for longer and keeps what it finds.
"""
