"""Keep a Bandersnatch mirror of PyPI fresh when the caches in front of PyPI are not.

Bandersnatch imports this package on every start, wherever it is installed: nothing
heavier than this line belongs here.
"""

__version__ = "0.1.0"
