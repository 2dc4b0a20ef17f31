"""Reporting: what others read of a mirror: its summary, status page, charts and metrics."""
