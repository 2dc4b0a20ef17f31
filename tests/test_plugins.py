"""The plugin classes and their entry points."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from bandersnatch.filter import FilterReleasePlugin

from bandersnatch_freshness import plugins
from bandersnatch_freshness.settings import PLUGINS

GROUP = "bandersnatch_filter_plugins.v2.release"


def test_every_plugin_has_an_entry_point_of_its_name() -> None:
    """Bandersnatch finds a class by its entry point and enables it by its name."""
    found = {point.name: point.load() for point in entry_points(group=GROUP) if point.module == plugins.__name__}
    assert {name: loaded.name for name, loaded in found.items()} == {name: name for name in PLUGINS}
    assert all(issubclass(loaded, FilterReleasePlugin) for loaded in found.values())


def test_as_filters_they_keep_everything() -> None:
    """A filter that returns false drops the release."""
    for point in entry_points(group=GROUP):
        if point.module == plugins.__name__:
            assert point.load()().filter({"info": {"name": "foo"}, "version": "1.0", "releases": {}}) is True


def test_importing_the_plugins_imports_nothing_else() -> None:
    """Every mirror pays for it that has the suite installed, enabled or not."""
    script = (
        "import sys, bandersnatch.filter; before = set(sys.modules)\n"
        "import bandersnatch_freshness.plugins\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert imported.split() == ["bandersnatch_freshness", "bandersnatch_freshness.plugins"]


@pytest.mark.parametrize("enabled", ["", "freshness"])
def test_garbage_collections_pass_over_what_is_there_where_a_plugin_is_enabled(enabled: str) -> None:
    """Once, as `verify` builds all plugins anew for each package, and what it leaves is to be collected."""
    script = (
        "import gc; from bandersnatch.configuration import BandersnatchConfig\n"
        "from bandersnatch_freshness.plugins import Freshness\n"
        "read = BandersnatchConfig(); read = getattr(read, 'config', read)  # newer releases' is one itself\n"
        f"read.read_dict({{'plugins': {{'enabled': {enabled!r}}}}})\n"
        "def frozen(): Freshness(); return gc.get_freeze_count()\n"
        "first = frozen(); more = [[] for _ in range(10_000)]\n"
        "print(first > 10_000, frozen() <= first, gc.isenabled())"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(bool(enabled)), "True", "True"]
