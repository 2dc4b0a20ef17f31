"""What docs/standing-still.md says of what was played: plain data in, Markdown out; and what it says now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bandersnatch_freshness.formatting import duration

from .days import Counted
from .play import LOG_LINE, Played, Said
from .ways import WAYS

DOCS = Path(__file__).parents[2] / "docs" / "standing-still.md"

WAYS_MADE = ("<!-- made by `make standstill` -->\n", "<!-- the end of what it made -->\n")
DAYS_MADE = ("<!-- counted by `make standstill` -->\n", "<!-- the end of what it counted -->\n")

_NOT_YET = "never"
_LONGEST = 160

# What differs from run to run although nothing has changed.
_PASSING = re.compile(r"\d+ (?:s|min|h|d)(?: \d+ (?:s|min|h))?|in \d+ runs?|by \d+|\d+ serials?|[\d:TZ-]{17,}")


def ways(plays: Iterable[Played], known: tuple[dict[str, str], dict[str, str]] = ({}, {})) -> str:
    """Return the table of all ways, and a section for each; those that are not played now are as the docs have them."""
    head = ("way", "check", "alert", "notification", "cron's mail", "bare Bandersnatch")
    made = {one.way.title: one for one in plays}
    rows = {title: line(row(one)) for title, one in made.items()}
    sections = {title: section(one) for title, one in made.items()}
    rows, sections = known[0] | rows, known[1] | sections
    titles = [way.title for way in WAYS.values() if way.title in rows]
    table = "".join(f"{one}\n" for one in (line(head), line(("---",) * len(head)), *map(rows.__getitem__, titles)))
    return table + "".join(f"\n{sections[title]}" for title in titles)


def row(played: Played) -> tuple[str, ...]:
    """Return what is said of a way in one line."""
    mails = [len(one.mail) for one in played.said if one.mail]
    mail = f"{sum(mails)} lines in {len(mails)} of {len(played.said)} runs" if mails else "nothing"
    return (
        played.way.title,
        _times(played, lambda said: _code(said.check)),
        _times(played, lambda said: _severity(said.alerts)),
        _times(played, lambda said: " ".join(sorted({_kind(title) for title in said.notified}))),
        mail,
        f"{played.bare} lines in each run" if played.bare else "nothing",
    )


def section(played: Played) -> str:
    """Return what is said of a way over time: a row where something has changed."""
    head = ("after", "check", "status page", "alerts", "notification", "cron's mail")
    rows: list[tuple[str, ...]] = [head]
    before: Said | None = None
    for said in played.said:
        shown = (
            _new(said.check, before and before.check),
            _new(said.page, before and before.page),
            _new(", ".join(said.alerts) or "none", before and (", ".join(before.alerts) or "none")),
            "; ".join(said.notified),
            _mail(said.mail),
        )
        if any(shown):
            rows.append((duration(said.at) if said.at else "0 s", *(_short(one) for one in shown)))
        before = said
    return f"### {played.way.title}\n\n{_table(rows)}"


def days(counts: Iterable[Counted], titles: dict[str, str]) -> str:
    """Return the table of what cron mails a day."""
    head = ("cause", "lines a day", "runs that print", "bare Bandersnatch")
    rows = [
        (titles[one.name], ", ".join(map(str, one.a_day)), str(one.loud_runs), f"{one.bare} lines in each run")
        for one in counts
    ]
    return _table([head, *rows])


def written() -> tuple[dict[str, str], dict[str, str]]:
    """Return what the docs say: the row and the section of each way, by its title."""
    text = DOCS.read_text().partition(WAYS_MADE[0])[2].partition(WAYS_MADE[1])[0]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.partition("\n### ")[0].splitlines() if line}
    sections = {one.partition("\n")[0]: f"### {one.rstrip()}\n" for one in text.split("\n### ")[1:]}
    return rows, sections


def write(made: str, markers: Sequence[str]) -> None:
    """Put something between its markers."""
    before, _, rest = DOCS.read_text().partition(markers[0])
    DOCS.write_text(f"{before}{markers[0]}\n{made}\n{markers[1]}{rest.partition(markers[1])[2]}")


def line(cells: Iterable[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    return "".join(f"{line(one)}\n" for one in (head, ("---",) * len(head), *others))


def _times(played: Played, word: object) -> str:
    """Return when a word changed, but for the first that says that nothing is wrong."""
    return ", ".join(_changes(played, word)) or _NOT_YET


def _changes(played: Played, word: object) -> Iterator[str]:
    before = ""
    for said in played.said:
        now = word(said)  # type: ignore[operator]
        if now and now != before and (before or now not in ("OK", "none")):
            yield f"{now} {duration(said.at) if said.at else '0 s'}"
        before = now or before


def _code(check: str) -> str:
    return check.split(" ")[1]


def _severity(alerts: Sequence[str]) -> str:
    return max(
        (one.rpartition("(")[2].rstrip(")") for one in alerts), key="none warning critical".index, default="none"
    )


def _kind(title: str) -> str:
    return title.partition("]")[0].lstrip("[")


def _new(text: str, before: str | None) -> str:
    """Return a text if it says anything new."""
    return "" if before is not None and _PASSING.sub("", text) == _PASSING.sub("", before) else text


def _mail(printed: Sequence[str]) -> str:
    """Return what a run printed: the first line, and how many more."""
    if not printed:
        return ""
    found = LOG_LINE.match(printed[0])
    first = f"{found['level']}: {found['text']}" if found else printed[0]
    return f"{_short(first)}{f' (and {len(printed) - 1} more lines)' if len(printed) > 1 else ''}"


def _short(text: str) -> str:
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return cut.replace("|", "/").replace("<", "&lt;").replace("*", r"\*")
