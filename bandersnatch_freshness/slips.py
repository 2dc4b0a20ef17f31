"""Slips: what in a configuration that can be followed is probably not as it was meant, each in words. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .formatting import meant, printable
from .settings import OPTIONS, PLUGINS, SECTION, enabled_plugins, shown

# How like a name of ours one must be to be a slip of it, where most are of others; of 1.
_LEAST_LIKENESS = 0.85
_LETTERS = frozenset(SECTION)


def near_misses(
    enabled: str, sections: Collection[str], section: Mapping[str, str], others: Mapping[str, Collection[str]]
) -> list[str]:
    """Return what in a configuration that can be followed is probably a slip, each in words.

    `sections` are the names of all its sections, `section` is `[freshness]`, and `others` are the names of the options
    in `[plugins]` and in `[mirror]`.
    """
    plugins = others.get("plugins", ())
    names = filter(None, map(str.strip, enabled.split("\n")))
    slips = [(f"[plugins] enabled = {shown(name)}", name) for name in names if name not in (*PLUGINS, "all")]
    slips += [(f"[{printable(name)}]", name) for name in sections if name not in PLUGINS]
    # Most names have few of its letters: to compare two that are like takes an import that no healthy run needs.
    alike = [(what, name) for what, name in slips if len(_LETTERS & set(name.lower())) >= len(_LETTERS) - 1]
    found = [f"{what}{near}" for what, name in alike if (near := _meant(name))]
    found += [f"[{name}]: the options of all plugins are in [{SECTION}]" for name in PLUGINS[1:] if name in sections]
    found += [
        f"[{other}] {name}: an option of [{SECTION}]"
        for other, names in others.items()
        for name in names
        if name.replace("-", "_") in OPTIONS
    ]
    if "enabled" not in plugins:
        found += [f"[plugins] {printable(name)}{hint}" for name in plugins if (hint := meant(name, ("enabled",)))]
    if "plugins" not in sections:
        hints = ((name, meant(name, ("plugins",), _LEAST_LIKENESS)) for name in sections)
        found += [f"[{printable(name)}]{hint}" for name, hint in hints if hint]
    if section and not enabled_plugins(enabled):
        found.append(f"[{SECTION}] without a plugin: [plugins] enabled has none of {', '.join(PLUGINS)}")
    return found


def _meant(name: str) -> str:
    """Return which plugin or section was probably meant; empty if none was."""
    near = meant(name, (*PLUGINS, SECTION), _LEAST_LIKENESS)
    return near or (meant(SECTION, (SECTION,)) if SECTION in name.lower() else "")


def unread_metrics(options: Mapping[str, str]) -> list[str]:
    """Return that node_exporter does not read such a metrics file, if so; others may. `options` are `[freshness]`."""
    metrics = options.get("metrics_file", "")
    if not metrics or metrics.endswith(".prom"):
        return []
    return [f"[{SECTION}] metrics_file = {metrics}: node_exporter reads only what ends in .prom"]


def slips_of_mirror(configuration: Any) -> list[str]:
    """Return what in `[mirror]` Bandersnatch will stumble over, each in words.

    Some of that may do no harm: it is for who asks, and no line in each run.
    """
    master = configuration.get("mirror", "master", raw=True, fallback="https://pypi.org")
    found = [f"[mirror] master {slip}" for slip in (master_slip(master),) if slip]
    if not configuration.get("mirror", "directory", raw=True, fallback=""):
        found.append("[mirror] directory: the option is missing")
    workers = configuration.get("mirror", "workers", raw=True, fallback="3")
    if not workers.isdecimal() or not int(workers):
        found.append(f"[mirror] workers = {printable(workers)}: not a whole number from 1 on")
    for name in ("json", "release-files", "hash-index", "stop-on-error", "allow-non-https"):
        try:
            configuration.getboolean("mirror", name, raw=True, fallback=False)
        except ValueError:
            value = printable(configuration.get("mirror", name, raw=True))
            found.append(f"[mirror] {name} = {value}: neither `true` nor `false`")
    return found


def master_slip(master: str) -> str:
    """Return what is probably wrong with a master; empty if nothing is.

    Source: pypa/bandersnatch#1669, of the slash.
    """
    for end, place in (("/simple", ""), ("/pypi", "https://pypi.org")):  # elsewhere, /pypi may be part of the place
        if master.rstrip("/").endswith(end) and master.startswith(place):
            return f"ends in {end}: leave that out, Bandersnatch adds it"
    if not master.startswith(("https://", "http://")):
        return "is no URL: it begins with https://, or with http://"
    if master.endswith("/"):
        return "ends in a slash, so that //simple is asked for, which not every master answers: take it off"
    return ""
