"""The composer: listeners, sessions, relay, workers, supervisor and the command line."""
