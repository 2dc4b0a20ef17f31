"""Reporting: what others read about a mirror: its summary, status page, charts and metrics."""
