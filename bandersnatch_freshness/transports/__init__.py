"""Transports: each dresses the requests of one HTTP client and reports what the answers showed."""
