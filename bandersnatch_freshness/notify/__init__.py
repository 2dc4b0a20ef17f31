"""Notifications: what to say to whom, and the channels that carry it."""
