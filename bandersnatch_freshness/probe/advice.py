"""The advice: the exact lines for bandersnatch.conf. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.variants import PLAIN, Variant
from ..settings import ADAPTIVE, SECTION, enabled_plugins, read_settings

# What is set there fixes how to ask, so that nothing adapts.
_FIXED = ("accept_encoding", "cache_bust")


def lines(fresh: Sequence[Variant], enabled: str, section: Mapping[str, str]) -> str:
    """Return what to set so that one of the fresh variants is used; "" where one is already, or none is fresh.

    `enabled` is the value of `[plugins] enabled` as it is, and `section` what `[freshness]` has.

    Raises:
        OptionError: where these can't be followed.
    """
    ours = enabled_plugins(enabled)
    in_use = read_settings(ours, section).rungs if ours else (PLAIN,)
    if not fresh or set(fresh) & set(in_use):
        return ""
    names = [name.strip() for name in enabled.split("\n") if name.strip()]
    if ADAPTIVE not in ours:
        names.append(ADAPTIVE)
    made = ["[plugins]", "enabled =", *(f"    {name}" for name in names)]
    if not set(fresh) & set(read_settings({*ours, ADAPTIVE}, section).rungs):
        made += [f"[{SECTION}]", *(f"{name} = auto" for name in _FIXED)]
    return "\n".join(made)
