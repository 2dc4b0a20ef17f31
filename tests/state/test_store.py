"""Where the state lies, on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.state.store import Store


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
