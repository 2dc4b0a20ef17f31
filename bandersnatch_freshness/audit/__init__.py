"""The audit: what the index announces against the mirror's own copies."""
