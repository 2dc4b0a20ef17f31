"""Keep a Bandersnatch mirror of PyPI fresh when the caches in front of PyPI are not.

Bandersnatch imports this package at every start, wherever it is installed, so it imports nothing:
`FreshAdapter` is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .transports.requests_adapter import FreshAdapter, StaleError

__all__ = ["FreshAdapter", "StaleError", "__version__"]

__version__ = "1.0.0"


def __getattr__(name: str) -> object:
    """Return a public name of the adapter for `requests`, which is imported for that.

    Raises:
        AttributeError: for any other name.
        ImportError: where requests is missing; says how to get it.
    """
    if name in ("FreshAdapter", "StaleError"):
        import importlib

        from .extras import Extra

        if not Extra.REQUESTS.is_installed:
            raise ImportError(Extra.REQUESTS.lacking)
        return getattr(importlib.import_module(".transports.requests_adapter", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
