"""The command `bandersnatch-freshness`: its parser, and one module per command."""

from .parser import main

__all__ = ["main"]
