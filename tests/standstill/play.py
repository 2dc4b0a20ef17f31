"""Play one way in simulated time, and record what check, page, alerts, notifications and cron's mail say."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import NamedTuple

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from ..end_to_end.cron import NOON
from ..end_to_end.observe import SIMPLE
from ..receiver import receiver
from ..zygote import Zygote
from .rules import Alerts
from .ways import HOUR, MINUTE, Way

# Seconds after the way began.
STEPS = (*range(0, 2 * HOUR, 5 * MINUTE), *range(2 * HOUR, 28 * HOUR, HOUR))
# A package in quarantine is asked for ever more rarely, up to once a day.
MENDED = (28 * HOUR, 29 * HOUR, 36 * HOUR, 54 * HOUR)

# Check and page are looked at a minute after a run.
_LATER = MINUTE
_SCRAPES = 5 * MINUTE

_HEALTHY = (-3 * HOUR, *range(-30 * MINUTE, 0, 5 * MINUTE))

# A busy machine has its time, of which the table says nothing.
_UNHURRIED = {"timeout": "60", "global-timeout": "600"}
_CHANNEL = "json://{}/?cto=60&rto=60"

# What Bandersnatch 3.6 and 4.4 print in every run, broken or not: docs/logs.md.
_ALWAYS = ("Enabling Plugins keys will move", "keystoneauth1")

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ (?P<level>[A-Z]+): (?P<text>.*?)(?: \([\w.]+:\d+\))?$")


class Said(NamedTuple):
    """What is said at a time, in seconds after the way began; `mail` are the lines that the run printed."""

    at: int
    check: str
    page: str
    alerts: tuple[str, ...]
    notified: tuple[str, ...]
    mail: tuple[str, ...]


@dataclass
class Played:
    """What was said over time, and how many lines bare Bandersnatch printed in a later run, at WARNING or above."""

    way: Way
    said: list[Said] = field(default_factory=list)
    bare: int = 0


class Machine:
    """A mirror's machine: its runs at simulated times, and what is said there."""

    def __init__(self, directory: Path, lab: Lab, zygote: Zygote, way: Way, notify: str = "") -> None:
        """Make a mirror with the suite, and a bare one beside it."""
        self._directory = directory
        self._zygote = zygote
        self._lab = lab
        self._way = way
        self._log = directory / "log"
        self._metrics = directory / "freshness.prom"
        options = {"metrics_file": str(self._metrics), "status_page": "status.html"}
        given = {**_UNHURRIED, **SIMPLE, **way.mirror}
        self.suite = Mirror(directory, lab, ["freshness"], options | ({"notify": notify} if notify else {}), given)
        self.bare = Mirror(directory / "bare", lab, (), None, given)

    def run(self, at: int, *, is_broken: bool) -> tuple[str, ...]:
        """Run as cron does; return what that prints."""
        faults = self._faults(self.suite) if is_broken else {}
        printed = self._output(["bandersnatch-freshness", "--quiet", "run", "mirror"], self.suite, at, faults)
        return tuple(line for line in printed if not any(words in line for words in _ALWAYS))

    def run_bare(self, at: int, *, is_broken: bool) -> int:
        """Run bare Bandersnatch; return how many lines it prints at WARNING or above, tracebacks included."""
        faults = self._faults(self.bare) if is_broken else {}
        count, counts = 0, False
        for line in self._output(["bandersnatch", "mirror"], self.bare, at, faults):
            if found := LOG_LINE.match(line):
                counts = found["level"] not in ("DEBUG", "INFO")
            elif line.startswith("Traceback"):
                counts = True
            count += counts
        return count

    def check(self, at: int, *, is_broken: bool) -> str:
        """Return what `check` prints, without figures."""
        faults = {name: value for name, value in self._faults(self.suite).items() if name == "full" and is_broken}
        return self._output(["bandersnatch-freshness", "check"], self.suite, at, faults)[0].partition(" | ")[0]

    def page(self, at: int) -> str:
        """Return the headline of the status page, as a browser shows it by then."""
        text = (self.suite.directory / "web" / "status.html").read_text()

        def part(pattern: str) -> str:
            found = re.search(pattern, text, re.S)
            assert found, text
            return unescape(found[1])

        until, stopped = part(r'data-until="(\d+)"'), part(r'data-stopped="([^"]*)"')
        word, sentence = part(r'id="word">(.*?)</p>'), part(r'id="sentence">(.*?)</h1>')
        return self.plain(f"{word}: {sentence}" if NOON + at <= int(until) else f"Unknown: {stopped}")

    @property
    def metrics(self) -> str:
        """The metrics file."""
        return self._metrics.read_text()

    def _faults(self, mirror: Mirror) -> dict[str, str]:
        return {k: str(mirror.directory) if k == "full" else v for k, v in self._way.faults.items()}

    def _output(self, command: Sequence[str], mirror: Mirror, at: int, faults: dict[str, str]) -> tuple[str, ...]:
        self._log.write_text("")
        self._zygote.run(command, mirror.config, self._log, NOON + at, **faults)
        return tuple(map(self.plain, self._log.read_text().splitlines()))

    def plain(self, text: str) -> str:
        """Return a text with what differs from machine to machine replaced."""
        names = {
            str(self.suite.directory): "/srv/pypi",
            self._lab.https_url: "https://pypi.org",
            socket.gethostname(): "mirror",
        }
        for name, plain in names.items():
            text = text.replace(name, plain)
        return re.sub(r"is left on \S+,", "is left on /srv,", text)


@contextmanager
def machine(way: Way, directory: Path, notify: str = "") -> Iterator[tuple[Lab, Machine]]:
    """Return a lab and a machine whose mirrors are healthy and complete; the way is to begin."""
    with ExitStack() as stack:
        lab = stack.enter_context(
            Lab(way.projects, kind="pypi", lifetimes=Lifetimes(index=0, while_revalidate=0, other=0))
        )
        zygote = stack.enter_context(Zygote(lab.ca_file))
        made = Machine(directory, lab, zygote, way, notify)
        for at in _HEALTHY:
            lab.release(lab.names[-1:])
            printed = made.run(at, is_broken=False)
            assert not printed, printed
        made.run_bare(_HEALTHY[-1], is_broken=False)
        yield lab, made


def begin(lab: Lab, way: Way) -> None:
    """Have the lab break what it is to break, and release all."""
    if way.behaviour:
        lab.behave(way.behaviour)
    lab.release()
    if way.is_gone:
        lab.hang_up()


def play(way: Way, directory: Path, steps: Iterable[int] = STEPS, mended: Iterable[int] = MENDED) -> Played:
    """Play a way, then mend it."""
    played = Played(way)
    with receiver() as inbox, machine(way, directory, _CHANNEL.format(inbox.address)) as (lab, made):
        alerts, scraped = Alerts(), 0
        begin(lab, way)
        for at in (*steps, *mended):
            is_broken = at not in mended
            if at == next(iter(mended), None):
                lab.heal()
                if way.is_gone:
                    lab.pick_up()
            while scraped < at:  # by what the runs before have left
                alerts.firing(made.metrics, NOON + scraped)
                scraped += _SCRAPES
            before = len(inbox.received)
            mail: tuple[str, ...] = ()
            if way.has_runs or not is_broken:
                mail = made.run(at, is_broken=is_broken)
            if is_broken and at in (5 * MINUTE, HOUR):
                played.bare = made.run_bare(at, is_broken=True)
            later = at + _LATER
            played.said.append(
                Said(
                    at,
                    made.check(later, is_broken=is_broken),
                    made.page(later),
                    alerts.firing(made.metrics, NOON + later),
                    tuple(made.plain(one["title"]) for one in inbox.received[before:]),
                    mail,
                )
            )
            lab.release(lab.names[-1:])
    return played
