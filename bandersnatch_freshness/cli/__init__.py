"""The command `bandersnatch-freshness`: the parser, and one module a command."""

from .parser import main

__all__ = ["main"]
