"""Metrics, access log and admin API."""

import settings  # noqa: F401 - chooses between compiled modules and pure Python before any is imported
