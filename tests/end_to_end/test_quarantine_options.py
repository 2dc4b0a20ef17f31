"""The quarantine and Bandersnatch's own options: filters, checks, cleaning up."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, cron, state
from .observe import BANDERSNATCH, is_fresh, pages
from .quarantining import (
    ASIDE,
    freeze,
    freeze_and_free,
    in_quarantine,
    second_copy,
)
from .test_quarantine import ALLOWLIST, BLOCKLIST


@pytest.mark.parametrize("kind", [BLOCKLIST, ALLOWLIST])
def test_the_mirrors_own_filters_come_first(
    kind: str, start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """What they drop is not asked for and leaves the quarantine; what is in quarantine does not get past them."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    mirror.configure("plugins", enabled=f"\nfreshness\n{kind}_project")
    mirror.configure(BLOCKLIST, packages="lab-00")
    mirror.configure(ALLOWLIST, packages="lab-01")
    lab.forget()
    with cron(mirror) as runs:
        found = runs.run(ASIDE + HOUR)
    assert pages(lab) == {}
    assert any("lab-00 is dropped by the mirror's filters, and no longer in quarantine" in line for line in found)
    assert in_quarantine(mirror) == state(mirror)["incidents"] == {}
    assert second_copy(mirror) == ""


def test_a_full_check_leaves_it_in_quarantine(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """`mirror --force-check` goes through with it, and so does `sync` of the package itself."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    assert mirror.run("mirror", "--force-check").returncode == 0
    assert mirror.serial == lab.serial
    if BANDERSNATCH.major > 3:  # before, there is no `sync`
        assert mirror.run("sync", "lab-00").returncode == 0
    assert in_quarantine(mirror).keys() == {"lab-00"}
    lab.heal()
    with cron(mirror) as runs:
        runs.run(99 * 365 * DAY)  # these runs were not at a faked time
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}


@pytest.mark.skipif(Version("8.2") > BANDERSNATCH, reason="cleanup_todo and delete_missing_packages are new in 8.2")
def test_cleaning_up_what_is_missing(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What is in quarantine and then gone is deleted as any other, after a second proof; what is stale never."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"cleanup_todo": "true", "delete_missing_packages": "true"})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        page = mirror.directory / "web" / "simple" / "lab-00" / "index.html"
        assert page.exists()
        lab.remove("lab-00")
        runs.run(ASIDE + HOUR)
        assert page.exists()
        lab.heal()  # the edge keeps no 404 for so long
        runs.run(ASIDE + 2 * HOUR)
    assert not page.exists()
    assert in_quarantine(mirror) == {}
    assert mirror.serial == lab.serial


def test_a_file_of_roots_stays_the_mirrors(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What root releases by hand, the mirror's own user can read in the next run."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    try:
        for path in (mirror.directory, *mirror.directory.iterdir()):
            os.chown(path, 12345, 12345)
    except PermissionError:
        pytest.skip("takes root")
    assert command("quarantine", mirror, "release", "--all").returncode == 0
    for name in ("todo", "freshness.json", "freshness.quarantine"):
        assert (mirror.directory / name).stat().st_uid == 12345


def test_what_is_new_is_in_the_index_when_it_heals(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Also in a run that has no other news, where Bandersnatch leaves its list of projects alone.

    A page that is no JSON is as good as none, however new its header says it is.
    """
    lab = start_lab(Behaviour("garbled", fault="garbled", every=1000), projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        index = mirror.directory / "web" / "simple" / "index.html"
        assert "lab-00" not in index.read_text()
        lab.heal()
        runs.run(ASIDE + 2 * MINUTE)
    assert "lab-00" in index.read_text()
