"""Whose file it is that can't be read, and what to do about that."""

from __future__ import annotations

import os
import pathlib
import pwd


def told(error: PermissionError) -> str:
    """Return that the user of this command may not use a file, and what to do, in a line.

    A run as root leaves files of root's in a directory of the mirror's user: then that user may not read them either.
    """
    if error.filename is None:
        return f"{error}: run this as the mirror's user"
    return f"{error.filename}: {(error.strerror or 'not permitted').lower()}: {_advice(error.filename)}"


# What Bandersnatch makes first in a mirror's directory, beside what begins with a dot.
_IN_MIRROR = ("web", "status", "todo", "generation", "freshness.json")


def _advice(name: str) -> str:
    path = pathlib.Path(name)
    file, directory = _owner(path), _owner(path.parent)
    if directory == "root" and _is_missing(path):  # a run as root would make it, and be the only one that can use it
        is_in_mirror = path.name.startswith(".") or path.name in _IN_MIRROR
        make = f"chown -R {_user()} {path.parent}" if is_in_mirror else f"install -d -o {_user()} {path}"
        return f"have root make room for it: `{make}`"
    if file and directory and file != directory:
        return f"it is {file}'s, as after a run as {file}: `chown {directory} {path}`, and run this as {directory}"
    return f"run this as {file or directory or f'the owner of {path}'}"


def _is_missing(path: pathlib.Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def _user() -> str:
    """Return the name of the user of this command, their number where they have none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _owner(path: pathlib.Path) -> str:
    """Return the name of its owner, their number where they have none, "" if it can't be told."""
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)
    except OSError:
        return ""
