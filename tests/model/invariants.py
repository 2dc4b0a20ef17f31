"""What must be so after every run, and what once all has healed: each returns what is wrong, as lines of text."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from packaging.utils import canonicalize_name

from .mirrors import Mirror
from .world import DAY, INDEX_LAG, World

# The most bytes of a state that has nothing left to say of a dozen projects: a hundred runs, and a week by the hour.
SMALL = 100_000


class Generations:
    """What a mirror has of each project: nothing older may replace it."""

    def __init__(self, mirror: Mirror) -> None:
        """Nothing has been seen yet."""
        self._mirror = mirror
        self._had: dict[str, tuple[int, int]] = {}

    def forget(self, name: str) -> None:
        """Forget what was seen of a project, as its pages were lost."""
        self._had.pop(name, None)

    def look(self, world: World) -> list[str]:
        """Return what is older than at the last look."""
        found = []
        for name in world.names:
            has, had = (self._mirror.simple_page(name)[0], self._mirror.document(name)), self._had.get(name, (0, 0))
            for what, now, before in zip(("simple page", "JSON document"), has, had, strict=True):
                if now < before:
                    found.append(f"{name}: generation {before} of its {what} was replaced by {now}")
            self._had[name] = has
        return found


def lost(world: World, mirror: Mirror, excused: Collection[str]) -> Iterator[str]:
    """Yield what is older in the mirror than at the origin, and will not be asked for.

    What has no page is no loss; nor is what no index told of though it was newer, which only an audit can find
    (DESIGN, audit).
    """
    reached, todo = mirror.listed()
    if reached > world.serial:  # the guard lowers it before anything is made of it
        reached = mirror.serial
    state = mirror.state()
    known = todo.union(
        *({canonicalize_name(name) for name in state.get(part, ())} for part in ("quarantine", "missing"))
    )
    for name in world.names:
        page = world.page(name)
        if not page.versions or name in excused or world.is_concealed(name) or canonicalize_name(name) in known:
            continue
        generation = mirror.simple_page(name)[0]
        if generation < page.generation and page.serial <= reached:
            yield f"{name}: has generation {generation} of {page.generation}, serial {page.serial} <= {reached}, lost"


class Behind:
    """Which releases bare Bandersnatch has that the suite's mirror lacks, since when, and for how many of its runs.

    But for those that bare has by luck: no index had told of them when it asked for the page, which was ahead of it; or
    one that the suite's mirror acted on, and bare did not, said that there is nothing new; or the page says less in its
    body than in its header, which bare takes at once, and the suite like any stale page: once it is in quarantine.
    """

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._since: dict[tuple[str, str], tuple[int, int]] = {}
        self._had: set[tuple[str, str]] = set()
        self._lucky: set[tuple[str, str]] = set()

    def look(
        self,
        world: World,
        bare: Mirror,
        suite: Mirror,
        excused: Collection[str],
        luck: Collection[str] = (),
        *,
        ran: bool,
    ) -> Iterator[str]:
        """Yield those that it has had for a day, and for three runs that were not killed."""
        has = bare.releases(world)
        new = has - self._had
        self._lucky |= {one for one in new if not world.is_told(*one) or world.is_concealed(one[0]) or one[0] in luck}
        self._had = has
        lacking = {one for one in has - suite.releases(world) - self._lucky if one[0] not in excused}
        before, self._since = self._since, {}
        for one in sorted(lacking):
            since, runs = before.get(one, (world.now, 0))
            self._since[one] = since, runs + ran
            if world.now - since >= DAY and runs + ran >= 3:
                days = (world.now - since) / DAY
                yield f"{one[0]}: bare has had release {one[1]} for {days:.1f} days, and the suite's mirror lacks it"


def unhealed(world: World, mirror: Mirror, check: int) -> Iterator[str]:
    """Yield what is not as it should be once all has healed, but for what the index may not show yet."""
    for name in world.names:
        least, newest = world.page(name, world.now - INDEX_LAG), world.page(name)
        if not newest.versions or not least.versions:
            continue
        generation, versions = mirror.simple_page(name)
        if generation < least.generation:
            yield f"{name}: generation {generation} of its simple page, {least.generation} at the origin"
        if mirror.document(name) != generation:
            yield f"{name}: generation {mirror.document(name)} of its JSON document, {generation} of its simple page"
        missing = [version for version in versions if not mirror.has(name, version)]
        if missing:
            yield f"{name}: no file of {missing}"
    state, gone = mirror.state(), {canonicalize_name(name) for name in world.names if not world.page(name).versions}
    for part in ("incidents", "quarantine", "missing"):
        left = sorted(name for name in state.get(part, ()) if canonicalize_name(name) not in gone)
        if left:
            yield f"state: {part}: {left}"
    size = (mirror.directory / "freshness.json").stat().st_size if state.get("runs") else 0
    if size > SMALL:
        yield f"state: {size} bytes"
    if check:
        yield f"check: exit code {check}"
