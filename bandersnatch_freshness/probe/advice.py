"""Advice: the exact lines to put in bandersnatch.conf. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.variants import PLAIN, Variant
from ..settings import ADAPTIVE, SECTION, enabled_plugins, read_settings

# Setting one of these fixes how pages are requested, so the ladder no longer adapts.
_FIXED = ("accept_encoding", "cache_bust")


def lines(fresh: Sequence[Variant], enabled: str, section: Mapping[str, str], *, by_origin: bool = False) -> str:
    """Return the settings that make Bandersnatch use a fresh variant; "" if it already does, or if none is fresh.

    `enabled` is the raw value of `[plugins] enabled`, `section` the options in `[freshness]`. `by_origin` says that
    the origin itself has a fresh page, which the adaptive plugin asks it for where no variant helps.

    Raises:
        OptionError: if the current settings are invalid.
    """
    ours = enabled_plugins(enabled)
    in_use = read_settings(ours, section).rungs if ours else (PLAIN,)
    if set(fresh) & set(in_use) or (not fresh and (not by_origin or ADAPTIVE in ours)):
        return ""
    names = [name.strip() for name in enabled.split("\n") if name.strip()]
    if ADAPTIVE not in ours:
        names.append(ADAPTIVE)
    made = ["[plugins]", "enabled =", *(f"    {name}" for name in names)]
    if fresh and not set(fresh) & set(read_settings({*ours, ADAPTIVE}, section).rungs):
        made += [f"[{SECTION}]", *(f"{name} = auto" for name in _FIXED)]
    return "\n".join(made)
