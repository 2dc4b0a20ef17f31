"""Where the state lies, on disk."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import filelock
import pytest

from bandersnatch_freshness.state.store import LARGEST, NoFileError, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store in the test's directory, on a storage such as Bandersnatch's."""
    storage = SimpleNamespace(
        PATH_BACKEND=Path, exists=lambda path: path.exists(), read_file=lambda path, text: path.read_bytes()
    )
    return Store(storage, tmp_path, "state.json")


def test_what_was_written_is_read(store: Store, tmp_path: Path) -> None:
    """In pieces, as one file that is the owner's alone; nothing else is left behind."""
    assert store.read() is None
    store.write(["a", "ä", "b"])
    assert store.read() == "aäb".encode()
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_write_that_breaks_off_changes_nothing(store: Store, tmp_path: Path) -> None:
    """A reader sees the old content, and no half of the new one lies around."""
    store.write(["old"])

    def broken() -> Iterator[str]:
        yield "new"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        store.write(broken())
    assert store.read() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_what_a_killed_write_left_is_cleaned_up(store: Store, tmp_path: Path) -> None:
    """By the next one, whatever it is; and nothing is written through a link."""

    def killed() -> Iterator[str]:
        yield "half"
        os.chmod(next(tmp_path.glob(".state.json*")), 0o644)
        os._exit(0)

    child = os.fork()
    if child == 0:
        try:
            store.write(killed())
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    (left,) = tmp_path.iterdir()
    store.write(["new"])
    assert os.listdir(tmp_path) == ["state.json"]
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    precious = tmp_path / "precious"
    precious.write_text("precious")
    left.symlink_to(precious)
    store.write(["newer"])
    assert (store.read(), precious.read_text()) == (b"newer", "precious")


def test_a_reader_never_sees_a_half(store: Store, tmp_path: Path) -> None:
    """While it is being written, the old file is what its name leads to."""
    store.write(["old"])
    seen: list[Any] = []

    def watched() -> Iterator[str]:
        for piece in ("n", "e", "w"):
            seen.append(store.read())
            yield piece

    with (tmp_path / "state.json").open() as reader:
        store.write(watched())
        assert reader.read() == "old"
    assert seen == [b"old"] * 3
    assert store.read() == b"new"


@pytest.mark.parametrize(("text", "after"), [("new", "new     "), ("much longer", "old text")])
def test_squeezes_in_what_is_not_longer(text: str, after: str, store: Store) -> None:
    """Which takes no room; what is longer would be cut off."""
    store.write(["old text"])
    store.squeeze(text)
    assert store.read() == after.encode()


def test_knows_when_it_was_replaced(store: Store) -> None:
    """By this run or another."""
    versions = [store.version()]
    for text in ("a", "b", "b"):
        store.write([text])
        versions.append(store.version())
    assert versions[0] is None
    assert len(set(versions)) == 4
    assert store.version() == versions[-1]


def test_an_absolute_name_lies_elsewhere(tmp_path: Path) -> None:
    """Not in the mirror's directory."""
    elsewhere = tmp_path / "elsewhere.json"
    store = Store(SimpleNamespace(PATH_BACKEND=Path), tmp_path / "mirror", str(elsewhere))
    store.write(["x"])
    assert elsewhere.read_text() == "x"


def test_what_is_moved_away_is_kept(store: Store, tmp_path: Path) -> None:
    """Under another name."""
    store.write(["x"])
    moved = store.move_away("unreadable-1")
    assert store.read() is None
    assert Path(moved) == tmp_path / "state.json.unreadable-1"
    assert Path(moved).read_text() == "x"


def test_errors_of_an_object_store_are_errors_of_the_system(tmp_path: Path) -> None:
    """Whatever class its library gives them."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("AccessDenied")

    class RemotePath(PurePosixPath):
        """A path of an object store."""

    store = Store(SimpleNamespace(PATH_BACKEND=RemotePath, exists=refuse, write_file=refuse), tmp_path, "state.json")
    with pytest.raises(OSError, match="RuntimeError: AccessDenied"):
        store.read()
    with pytest.raises(OSError, match="RuntimeError: AccessDenied"):
        store.write(["x"])


@pytest.mark.parametrize(
    ("disk", "obstacle"),
    [
        pytest.param({}, "", id="room"),
        pytest.param({"f_flag": os.ST_RDONLY}, "/ is read-only", id="read-only"),
        pytest.param({"f_bavail": 2, "f_bfree": 999}, "no room is left on /, 0 MiB are free", id="less-than-the-state"),
        pytest.param({"f_bavail": 3, "f_bfree": 3}, "", id="as-much-as-the-state"),
        pytest.param({"f_favail": 0, "f_ffree": 9}, "no inode is left on /", id="no-inode"),
        pytest.param({"f_favail": 0, "f_files": 0}, "", id="inodes-are-not-counted"),
    ],
)
@pytest.mark.parametrize("owner", [0, 1000])
def test_says_what_is_in_the_way(disk: dict[str, int], obstacle: str, owner: int, store: Store, mocker: Any) -> None:
    """As the file system tells it; what is reserved for root is root's."""
    store.write(["x" * 3000])
    found = {"f_frsize": 1024, "f_bavail": 999, "f_bfree": 999, "f_flag": 0, "f_files": 9, "f_favail": 9, "f_ffree": 9}
    mocker.patch("os.statvfs", return_value=SimpleNamespace(**{**found, **disk}))
    mocker.patch.object(Path, "is_mount", lambda path: path == Path("/"))
    mocker.patch.object(Path, "stat", return_value=SimpleNamespace(st_size=3000, st_uid=owner))
    reserved = owner == 0 and (disk.get("f_bfree", 0) > disk.get("f_bavail", 0) or disk.get("f_ffree"))
    assert store.obstacle() == ("" if reserved else obstacle)


def test_knows_of_no_obstacle_where_nothing_is(store: Store, tmp_path: Path) -> None:
    """Nor where nobody can look; a state that is not there yet needs room too."""
    assert store.obstacle() == ""
    tmp_path.rmdir()
    assert store.obstacle() == ""


def huge(path: Path) -> None:
    """Leave a file of 2 GB that takes no room."""
    path.touch()
    os.truncate(path, 2 * 2**30)


def bound(path: Path) -> None:
    """Leave a socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def linked(path: Path) -> None:
    """Leave a link to a device that never ends."""
    path.symlink_to("/dev/zero")


ODD = [
    pytest.param(os.mkfifo, "a named pipe", id="fifo"),
    pytest.param(os.mkdir, "a directory", id="directory"),
    pytest.param(huge, "2048 MiB, more than 256", id="2-GB"),
    pytest.param(bound, "a socket", id="socket"),
    pytest.param(linked, "a device", id="device"),
]


@pytest.mark.parametrize(("make", "what"), ODD)
def test_what_is_no_file_of_ours_is_not_read(
    make: Callable[[Path], None], what: str, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is said what it is, at once, and it can be moved away."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("state.json"))
    with pytest.raises(NoFileError, match=what):
        store.read()
    store.move_away("unreadable-1")
    assert store.read() is None
    assert os.listdir(tmp_path) == ["state.json.unreadable-1"]


def test_what_is_just_not_too_large_is_read_and_a_link_is_followed(store: Store, tmp_path: Path) -> None:
    """A mirror's state may lie elsewhere; a link to nothing is none."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "state.json").symlink_to(elsewhere)
    assert store.read() is None
    elsewhere.touch()
    os.truncate(elsewhere, LARGEST + 1)
    with pytest.raises(NoFileError):
        store.read()
    elsewhere.write_text("x")
    assert store.read() == b"x"


def as_user(store: Store, uid: int = 65534) -> str:
    """Lock as this user, in a process of its own; return what goes wrong."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with store.lock(0):
                pass
        except BaseException:  # noqa: BLE001 - the process ends here
            os.write(writing, traceback.format_exc(limit=-1).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        found = said.read()
    os.waitpid(child, 0)
    return found


@pytest.fixture
def owned(store: Store, tmp_path: Path) -> Iterator[Path]:
    """Return the lock file's path in a directory that is another user's, which takes root."""
    if os.geteuid():
        pytest.skip("giving files away takes root")
    above = [one for one in tmp_path.parents if one.stat().st_uid == 0 and not one.stat().st_mode & stat.S_IXOTH]
    for one in above:
        one.chmod(one.stat().st_mode | stat.S_IXOTH)
    os.chown(tmp_path, 65534, 65534)
    yield tmp_path / ".state.json.lock"
    for one in above:
        one.chmod(one.stat().st_mode & ~stat.S_IXOTH)


def test_a_lock_that_root_held_is_the_owners(store: Store, owned: Path) -> None:
    """The mirror's, and the file with it; both before there is a state and after."""
    with store.lock(0):
        assert (owned.stat().st_uid, owned.stat().st_gid) == (65534, 65534)
    assert as_user(store) == ""
    store.write(["x"])
    owned.unlink()
    with store.lock(0):
        pass
    assert owned.stat().st_uid == 65534
    assert as_user(store) == ""


def test_a_lock_that_root_left_is_mended_by_root(store: Store, owned: Path) -> None:
    """By the next of its runs."""
    owned.touch(0o600)
    with store.lock(0):
        pass
    assert owned.stat().st_uid == 65534


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_lock_that_root_left_is_replaced_by_the_owner(mode: int, store: Store, owned: Path) -> None:
    """Its directory is its own."""
    owned.touch(mode)
    assert as_user(store) == ""
    assert owned.stat().st_uid == 65534


def test_a_lock_that_root_holds_is_not_replaced(store: Store, owned: Path) -> None:
    """Two would hold it then."""
    owned.touch(0o644)
    before = owned.stat().st_ino
    with filelock.FileLock(owned):
        assert "Error" in as_user(store)
    assert owned.stat().st_ino == before


def test_a_lock_in_a_directory_of_another_is_an_error(store: Store, owned: Path, tmp_path: Path) -> None:
    """Nothing can be done about it."""
    os.chown(tmp_path, 0, 0)
    owned.touch(0o644)
    assert "PermissionError" in as_user(store)
    assert owned.stat().st_uid == 0


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_root_gives_nothing_else_away(link: Callable[[Path, Path], None], store: Store, owned: Path) -> None:
    """Where a link lies in the lock's place, what it leads to stays root's."""
    precious = owned.with_name("precious")
    precious.touch(0o600)
    link(precious, owned)
    with contextlib.suppress(OSError), store.lock(0):
        pass
    assert precious.stat().st_uid == 0
