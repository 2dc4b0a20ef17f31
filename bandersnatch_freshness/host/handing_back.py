"""Handing back: what is in quarantine or missing becomes Bandersnatch's own business again, or is accepted by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import filelock
from msgspec.structs import replace

from ..core import missing
from ..core.observations import parse_serial
from ..state import second_copy
from ..state.document import StateError
from ..state.records import QUARANTINE_FILE, Records
from . import todo
from .layout import STATUS, TODO
from .mirror_files import MirrorFiles

# What does the same by hand.
COMMAND = "bandersnatch-freshness quarantine release --all"


class HandBackError(ValueError):
    """Nothing has left the quarantine; the text says which file, or whose lock, is the reason."""


class UnderWayError(HandBackError):
    """A lock is held by somebody else."""


@contextlib.contextmanager
def _alone(files: MirrorFiles, records: Records, *, keeps_starts_away: bool = False) -> Iterator[None]:
    """Keep runs and other commands away, by the suite's locks; by Bandersnatch's own too, if it `keeps_starts_away`.

    Raises:
        HandBackError: if a file can't be read or written.
        UnderWayError: if one is at work.
    """
    try:
        with contextlib.ExitStack() as held:
            if keeps_starts_away:
                held.enter_context(files.lock())
            held.enter_context(records.run_lock())
            held.enter_context(records.lock())
            yield
    except filelock.Timeout as error:
        raise UnderWayError(f"{files.directory}: a run of Bandersnatch is under way") from error
    except (OSError, StateError) as error:
        raise HandBackError(f"{records.store.path}: {error}") from error


def hand_back(
    files: MirrorFiles, clock: Callable[[], int], names: Iterable[str] = (), *, with_missing: bool = True
) -> list[str]:
    """Put packages on Bandersnatch's todo list, and only then drop them from the state, so none can be lost.

    `names` are normalized; if there are none, everything in quarantine is handed back, and `with_missing` what is
    missing without proof. `clock` returns seconds since 1970. Returns the names. No lock may be held by this process.

    Raises:
        HandBackError: if one of them is not in quarantine, or a file can't be understood or written.
        UnderWayError: if a run of Bandersnatch, or a command, is at work on the mirror.
    """
    records = files.records(clock)
    with _alone(files, records, keeps_starts_away=True):
        state = records.state
        owed = {
            **(dict(missing.still_owed(state.missing)) if with_missing else {}),
            # A package that waits for another master's list may be at any serial there.
            **{name: 1 if one.waiting else one.required_serial for name, one in state.quarantine.items()},
        }
        wanted = list(dict.fromkeys(names)) or sorted(owed)
        unknown = [name for name in wanted if name not in owed]
        if unknown:
            raise HandBackError(f"not in quarantine: {', '.join(unknown)}; nothing was done")
        if not wanted:
            return []
        # A state that can't be written must show now: with the same packages on its todo list in every run,
        # Bandersnatch would never ask for the list of changes.
        records.write()
        _add_to_todo(files, {name: owed[name] for name in wanted})
        for name in wanted:
            state.quarantine.pop(name, None)
            state.missing.pop(name, None)
            if name in state.incidents:
                state.incidents[name] = replace(state.incidents[name], in_quarantine=False, released=clock())
        records.write()
    return wanted


def accept(files: MirrorFiles, clock: Callable[[], int], names: Iterable[str]) -> list[str]:
    """Take packages in quarantine, by their normalized names, off what is told until their serials change.

    They stay in quarantine, and are asked for again as before. Returns the names.

    Raises:
        HandBackError: if one of them is not in quarantine, or the state can't be written.
        UnderWayError: if a run of Bandersnatch, or a command, is at work on the mirror.
    """
    records = files.records(clock)
    wanted = list(dict.fromkeys(names))
    with _alone(files, records):
        state = records.state
        unknown = [name for name in wanted if name not in state.quarantine]
        if unknown:
            raise HandBackError(f"not in quarantine: {', '.join(unknown)}; nothing was done")
        for name in wanted:
            state.quarantine[name] = replace(state.quarantine[name], is_accepted=True)
            state.incidents.pop(name, None)
        records.write()
    return wanted


def hand_back_all(files: MirrorFiles, clock: Callable[[], int], *, with_missing: bool = True) -> str:
    """Hand back everything in quarantine, and `with_missing` what is missing, where nobody minds it any more.

    Returns what to say about that, without a full stop; nothing where there is nothing,
    which takes one look at the second copy.
    """
    copy = files.store(QUARANTINE_FILE)
    try:
        text = (copy.read() or b"").decode("utf-8", "replace")
        count = len(text.splitlines()) if with_missing else second_copy.count_quarantined(text)
    except OSError as error:
        return f"could not look into the quarantine: {copy.path}: {error}"
    if not count:
        return ""
    try:
        count = len(hand_back(files, clock, with_missing=with_missing))
    except HandBackError as error:
        return (
            f"could not hand {_packages(count)} back from quarantine to Bandersnatch's todo list: {error}; "
            f"the next run tries again, and so does `{COMMAND}`"
        )
    if not count:  # by another process, meanwhile
        return ""
    return f"handed {_packages(count)} back from quarantine to Bandersnatch's todo list, as `{COMMAND}` does"


def count_left(files: MirrorFiles) -> str:
    """Return what to say where nothing is handed back, because `sync` is about to write over the todo list.

    Raises:
        OSError: if the second copy of the quarantine can't be read.
    """
    count = len((files.store(QUARANTINE_FILE).read() or b"").splitlines())
    return f"the next `bandersnatch mirror` hands {_packages(count)} back from quarantine" if count else ""


def _add_to_todo(files: MirrorFiles, packages: Mapping[str, int]) -> None:
    listed = files.store(TODO)
    try:
        content, reached = listed.read(), files.store(STATUS).read() or b""
        serial = parse_serial(reached.decode("ascii", "replace")) or 0
        listed.write([todo.add(None if content is None else content.decode(), packages, serial)])
    except (OSError, UnicodeDecodeError, todo.TodoError) as error:
        raise HandBackError(f"{listed.path}: {error}") from error


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count} packages"
