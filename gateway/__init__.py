"""The composer: listeners, sessions, relay, workers, supervisor and the command line."""

import settings  # noqa: F401 - chooses between compiled modules and pure Python before any is imported
