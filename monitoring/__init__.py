"""Metrics, access log and admin API."""
