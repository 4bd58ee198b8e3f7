"""The composer: listeners, sessions, relay, workers, supervisor and the command line."""

from gateway import twins

twins.choose()
