"""What is remembered of the index, and is wrong: it never holds a mirror that bare Bandersnatch would heal.

Bare Bandersnatch runs beside the suite, on the same lab.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron, side_by_side, state
from .observe import SIMPLE, WAYS, is_fresh, lines, needs_simple

FAR = 2_000_000_000  # the highest that fits into XML-RPC

NO_XMLRPC = Behaviour("no XML-RPC", refuses_xmlrpc=True)
NO_ACCOUNT = Behaviour("no account", gives_no_account=True)


def accounts(lab: Lab) -> int:
    """Count how often the master was asked for its own account."""
    return sum(b"changelog_last_serial" in asked.body for asked in lab.requests)


def anew(mirror: Mirror) -> None:
    """Let the next run begin anew, as `mirror --force-check` does."""
    (mirror.directory / "status").unlink()


@pytest.mark.parametrize("way", WAYS)
def test_a_serial_far_too_high_counts_for_nothing(
    way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Announced of one project, for one run: it is said once, the master is asked once, and no run waits for it."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=way) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        lab.release(["lab-00", "lab-01"])
        lab.claim("lab-00", FAR)
        lab.forget()
        bare_runs.run(HOUR)
        assert not is_fresh(bare, lab)  # it waits for that serial, until somebody removes its todo list
        (line,) = [line for line in runs.run(HOUR) if line.startswith("WARNING")]
        assert f"The index announces serial {FAR}, but the master says {lab.serial}" in line
        assert accounts(lab) == 1
        assert is_fresh(mirror, lab)
        lab.claim("lab-00", None)
        lab.release(["lab-02"])
        assert not [line for line in runs.run(2 * HOUR) if line.startswith("WARNING")]
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}
    assert json.loads(command("status", mirror, "--json").stdout)["serial_lag"] == 0


@needs_simple
def test_nonsense_does_not_hide_what_was_announced_before(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A run that finishes no package leaves no todo list, so the next one goes by the index again."""
    lab = start_lab("purge-broken", "pypi", projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for each in (bare_runs, runs):
            each.run(0)
        lab.release(["lab-00", "lab-01"])
        wanted = lab.announced("lab-00")
        for each in (bare_runs, runs):
            each.run(HOUR)
        lab.claim("lab-00", FAR)
        for each in (bare_runs, runs):
            each.run(2 * HOUR)
        assert state(mirror)["incidents"]["lab-00"]["required"] == wanted
        lab.claim("lab-00", None)
        lab.heal()
        for each in (bare_runs, runs):
            each.run(3 * HOUR)
        assert bare.versions("lab-00") == mirror.versions("lab-00") == lab.versions("lab-00")
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("way", WAYS)
def test_what_nonsense_hides_is_not_lost(way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where every copy of the page is old, nothing tells the serial that it is to have, until a list does."""
    lab = start_lab("purge-broken", "pypi", projects=3)
    with side_by_side(make_mirror, lab, mirror=way) as (bare, mirror, bare_runs, runs):
        for each in (bare_runs, runs):
            each.run(0)
        lab.release(["lab-00", "lab-01"])  # a list of nothing but nonsense is refused
        lab.claim("lab-00", FAR)
        for each in (bare_runs, runs):
            each.run(HOUR)
        assert mirror.versions("lab-00") != lab.versions("lab-00")
        assert state(mirror)["quarantine"]["lab-00"]["waiting"]
        lab.claim("lab-00", None)
        lab.heal()
        lab.release(["lab-01"])  # but not lab-00
        for each in (bare_runs, runs):
            each.run(3 * HOUR)
        assert bare.versions("lab-00") == mirror.versions("lab-00") == lab.versions("lab-00")
        runs.run(4 * HOUR)  # now by a list of all there is
        assert state(mirror)["quarantine"] == {}
    assert is_fresh(mirror, lab)


@needs_simple
def test_without_xml_rpc_too(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """No page is called stale for it, and the mirror's serial stays where the index is."""
    lab = start_lab(NO_XMLRPC, projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        lab.release()
        lab.claim("lab-00", FAR)
        bare_runs.run(MINUTE)
        assert not is_fresh(bare, lab)
        said = runs.run(MINUTE, 2 * MINUTE, 3 * MINUTE)
        assert len([line for line in said if line.startswith("WARNING")]) == 1
        assert is_fresh(mirror, lab)
        lab.claim("lab-00", None)
        runs.run(5 * MINUTE)
    assert is_fresh(mirror, lab)
    assert state(mirror)["index"]["serial"] == lab.serial
    assert state(mirror)["incidents"] == {}


def test_a_todo_list_that_leads_too_far_does_not_hold_the_mirror(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Written by a run that was shown such a serial, or by hand; bare Bandersnatch goes on with it for ever."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one, each in ((bare, bare_runs), (mirror, runs)):
            each.run(0)
            (one.directory / "todo").write_text(f"{FAR}\nlab-00 {FAR}")
        lab.release()
        for number in range(1, 4):
            bare_runs.run(number * HOUR)
            runs.run(number * HOUR)
    assert not is_fresh(bare, lab)
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_was_remembered_yields_to_three_runs(
    way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Or at once, where the mirror begins anew; the mirror is complete all the time."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=way) as (bare, mirror, bare_runs, runs):
        for begins_anew in (False, True):
            bare_runs.run(0)
            runs.run(0)
            document = state(mirror)
            document["index"] |= {"serial": FAR, "highest": FAR}
            document.pop("ceiling", None)
            (mirror.directory / "freshness.json").write_text(json.dumps(document))
            if begins_anew:
                anew(mirror)
                said = runs.run(3 * HOUR)
            else:
                said = []
                for time in (HOUR, HOUR + MINUTE, 2 * HOUR):
                    lab.release(["lab-00"])
                    bare_runs.run(time)
                    said += runs.run(time)
                    assert is_fresh(bare, lab)
                    assert is_fresh(mirror, lab)
            (line,) = [line for line in said if line.startswith("WARNING")]
            assert f"The index was remembered at serial {FAR}" in line
            assert state(mirror)["index"]["serial"] == lab.serial
            assert is_fresh(mirror, lab)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["three-runs", "force-check"])
def test_an_upstream_that_was_restored_is_followed(
    how: str, way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Held and said at first; bare Bandersnatch, in silence, never gets what has a serial that was given out before."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=way) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        kept = lab.serial
        lab.release()
        bare_runs.run(HOUR)
        runs.run(HOUR)
        lab.restore(kept)
        lab.release(["lab-01", "lab-new"])
        if how == "force-check":
            anew(mirror)
            runs.run(2 * HOUR)
        else:
            first = mirror.serial
            said = runs.run(2 * HOUR + 10 * MINUTE, 2 * HOUR + 11 * MINUTE)
            assert mirror.serial == first
            assert any(f"its serial {lab.serial} is older than the mirror's own, {first}" in line for line in said)
            said = runs.run(3 * HOUR + 10 * MINUTE)
            (line,) = [line for line in said if line.startswith("WARNING")]
            assert "The upstream is older than the mirror" in line
            assert not any("The index is not used" in line for line in said)
        assert is_fresh(mirror, lab)
        assert "lab-new" in (mirror.directory / "web" / "simple" / "index.html").read_text()
        bare_runs.run(2 * HOUR, 3 * HOUR)
        assert not is_fresh(bare, lab)
        lab.release(["lab-02"])
        assert not [line for line in runs.run(4 * HOUR) if line.startswith("WARNING")]
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@needs_simple
def test_an_index_that_lacks_projects_for_a_while_loses_nothing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What it lists is synced, and the mirror's serial waits: bare Bandersnatch loses the releases of the others."""
    lab = start_lab(projects=6)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        before = lab.serial
        lab.behave("index-half")
        lab.release(["lab-01"])  # which is not listed now
        lab.release(["lab-00"])
        bare_runs.run(HOUR)
        (line,) = [line for line in runs.run(HOUR) if line.startswith("WARNING")]
        assert "it lists 2 projects, and listed 6 before" in line
        assert mirror.versions("lab-00") == lab.versions("lab-00")
        assert mirror.serial == before < bare.serial
        lab.heal()
        bare_runs.run(2 * HOUR)
        runs.run(2 * HOUR)
    assert not is_fresh(bare, lab)
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@needs_simple
def test_an_upstream_that_lost_most_projects_is_believed_after_three_runs(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """It is said when it is doubted and when it counts; the mirror, which keeps its pages, goes on."""
    lab = start_lab(projects=6)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        before = mirror.serial
        for name in lab.names[2:]:
            lab.remove(name, counts=True)
        lab.release(["lab-00"])
        (line,) = [line for line in runs.run(HOUR, HOUR + MINUTE) if line.startswith("WARNING")]
        assert "lists 2 projects" in line
        assert mirror.versions("lab-00") == lab.versions("lab-00")
        assert mirror.serial == before
        (line,) = [line for line in runs.run(2 * HOUR) if line.startswith("WARNING")]
        assert "The index lists 2 projects in three runs" in line
        bare_runs.run(2 * HOUR)
    assert mirror.serial == bare.serial == lab.announced("lab-00")
    assert state(mirror)["index"]["projects"] == 2
    assert state(mirror)["incidents"] == {}


@needs_simple
def test_an_old_index_is_no_restored_upstream(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In every run for a day: the master says where it is, and is asked once an hour."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        old = lab.serial
        body = json.dumps({"meta": {}, "projects": [{"name": n, "_last-serial": lab.announced(n)} for n in lab.names]})
        lab.release()
        bare_runs.run(HOUR)
        runs.run(HOUR)
        lab.plant_index(old, body, ("gzip", "deflate", "identity"))
        lab.forget()
        runs.run(*(2 * HOUR + n * 20 * MINUTE for n in range(12)))
        assert accounts(lab) in (3, 4)
        bare_runs.run(2 * HOUR)
    assert is_fresh(bare, lab)
    assert is_fresh(mirror, lab)
    assert "/simple/" in state(mirror)["incidents"]


@pytest.mark.parametrize("way", WAYS)
def test_force_check_says_what_lies_in_its_way(
    way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A todo list is worked off first, as by bare Bandersnatch."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness", mirror=way)
    mirror.run()
    (mirror.directory / "todo").write_text(f"{lab.serial}\nlab-00 {lab.announced('lab-00')}")
    run = mirror.run("mirror", "--force-check")
    (line,) = lines(run, "--force-check begins with the run after that")
    assert str(mirror.directory / "todo") in line
    assert not lines(mirror.run("mirror", "--force-check"), "--force-check begins")


@pytest.mark.parametrize("lie", [FAR, 5000], ids=["far", "near"])
def test_a_body_that_claims_too_much_keeps_no_release_out(
    lie: int, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """The mirror's own page has its serial from the body of what it took: no later page would ever be as new."""
    lab = start_lab(projects=2)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        lab.release(["lab-00"])
        page = lab.page("lab-00")
        claims = str(lab.serial + lie if lie < FAR else lie).encode()
        lab.plant("lab-00", replace(page, body=page.body.replace(str(lab.serial).encode(), claims)))
        bare_runs.run(HOUR)
        runs.run(HOUR)
        for number in range(2, 5):
            lab.release(["lab-00"])
            bare_runs.run(number * HOUR)
            runs.run(number * HOUR)
    assert is_fresh(bare, lab)
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


def test_a_slash_after_the_master_is_said_where_there_is_no_index(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bandersnatch puts another one behind, which not every master takes (pypa/bandersnatch#1669)."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", mirror={"master": "https://127.0.0.1:9/"})
    (line,) = lines(mirror.run(), "The index can't be had: ")
    assert (
        "; [mirror] master ends in a slash, so that //simple is asked for, which not every master answers: take it off"
        in line
    )


@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("is_complete", [True, False], ids=["complete", "never-complete"])
def test_a_list_that_can_not_be_had_ends_the_run_as_without_the_suite(
    is_complete: bool, way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """With the reason in one line: an error where the mirror has nothing yet, or where it lasts."""
    lab = start_lab(projects=2)
    bare, mirror = make_mirror(lab, mirror=way), make_mirror(lab, "freshness", mirror=way)
    if is_complete:
        bare.run()
        mirror.run()
    lab.behave(NO_XMLRPC)
    bare_run, run = bare.run(), mirror.run()
    assert run.returncode == bare_run.returncode
    assert run.returncode == 1
    (line,) = lines(run, "The index can't be had: ")
    assert is_complete or " ERROR: " in line
    lab.heal()
    mirror.run()
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("plugins", [("freshness",), ("freshness_quarantine",)], ids=["freshness", "quarantine-alone"])
def test_a_serial_a_little_too_high_passes_no_release(
    plugins: tuple[str, ...], way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """The package goes into quarantine, and the mirror's serial stays below, where the master gives no account.

    What is released meanwhile is synced. Bare Bandersnatch waits until its todo list is removed, and loses nothing.
    """
    lab = start_lab(NO_ACCOUNT, projects=5)
    bare, mirror = make_mirror(lab, mirror=way), make_mirror(lab, *plugins, mirror=way)
    with cron(bare) as bare_runs, cron(mirror) as runs:
        bare_runs.run(0)
        runs.run(0)
        lab.release(["lab-00"])
        lab.claim("lab-01", lab.serial + 60)
        bare_runs.run(HOUR)
        runs.run(HOUR)
        lab.claim("lab-01", None)
        for number, name in enumerate(("lab-02", "lab-03", "lab-04")):
            lab.release([name])
            lab.release(["lab-00"] * 15)
            bare_runs.run((number + 2) * HOUR)
            runs.run((number + 2) * HOUR)
        lab.release(["lab-00"] * 40)
        for number in range(5, 12):
            lab.release(["lab-00"])
            runs.run(number * HOUR)
        assert not is_fresh(bare, lab)
        (bare.directory / "todo").unlink()
        bare_runs.run(12 * HOUR)
    for one in (bare, mirror):
        assert is_fresh(one, lab)
