"""A probe's report: as a table for a terminal, curl commands, Markdown or JSON. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ..core import causes, wording
from ..core.verdicts import Verdict
from ..exit_codes import ProbeExit
from ..formatting import plain_url, printable
from ..table import Styled, Table
from . import ways
from .clients import curl_arguments
from .diagnosis import Answer, Diagnosis, is_fresh
from .ways import Method, Way

# Terminals narrower than this go without the spared columns.
_WIDE = 100
_SPARED = ("bytes", "ms")

_COLUMNS = ("how asked", "serial", "behind by", "age", "cache", "node", "bytes", "ms")
_OUTCOMES = {
    ProbeExit.FRESH: "green",
    ProbeExit.SOME_STALE: "yellow",
    ProbeExit.ALL_STALE: "bold red",
    ProbeExit.UNDETERMINED: "yellow",
}


@dataclass(frozen=True)
class ProbeReport:
    """The probe of one project, or of the index ("").

    `master` is its URL without secrets. `advice` holds lines for bandersnatch.conf, "" if nothing needs setting.
    `announced` is the project's serial in the index, None if the index was not asked or has none.
    """

    master: str
    project: str
    answers: Sequence[Answer]
    diagnosis: Diagnosis
    advice: str
    announced: int | None = None

    @property
    def title(self) -> str:
        """What was probed."""
        return self.project or "the index"

    @property
    def base(self) -> Way:
        """The base line that the other ways are compared with."""
        return ways.base(self.project)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table's cells, one row per answer."""
        serials = [one.observation.serial for one in self.answers if one.observation.serial is not None]
        marks = {max(serials): " (freshest)", min(serials): " (stalest)"} if len(set(serials)) > 1 else {}
        return [self._row(one, marks) for one in self.answers]

    def _row(self, answer: Answer, marks: dict[int, str]) -> tuple[str, ...]:
        seen, required_serial = answer.observation, self.diagnosis.required_serial
        how = answer.way.describe(self.base) or f"as Bandersnatch asks ({answer.sent.get('Accept-Encoding', 'none')})"
        behind = ""
        if seen.serial is not None and required_serial is not None:
            behind = f"{max(0, required_serial - seen.serial)}{marks.get(seen.serial, '')}"
        return (
            how,
            seen.problem or ("no serial" if seen.serial is None else str(seen.serial)),
            behind,
            seen.age,
            seen.x_cache or seen.cache_status,
            seen.served_by,
            "" if answer.size is None else str(answer.size),
            str(answer.milliseconds),
        )

    def table(self, columns: int) -> Table:
        """Return the answers as a table for a terminal of this width: fresh ones green, stale ones red."""
        rows = self.rows()
        spared = _SPARED if columns < _WIDE else ()
        shown = [at for at, name in enumerate(_COLUMNS) if name not in spared and any(row[at] for row in rows)]
        names = [_COLUMNS[at] for at in shown]
        right = [column for column, name in enumerate(names) if name in _SPARED]
        table = Table(names, f"{self.title} at {self.master}", right=right)
        styles = {True: "green", False: "red", None: "dim"}
        for answer, row in zip(self.answers, rows, strict=True):
            required_serial = self.diagnosis.required_serial
            fresh = None if required_serial is None else is_fresh(answer, required_serial, self.base)
            table.add(*(row[at] for at in shown), style=styles[fresh])
        return table

    @property
    def agrees(self) -> bool:
        """Whether all ways of asking came to the same, so that there is nothing to compare."""
        required_serial = self.diagnosis.required_serial
        if self.diagnosis.outcome is ProbeExit.FRESH:
            return all(one.observation.status == 200 for one in self._of_pages())
        states = {is_fresh(one, required_serial or 0, self.base) for one in self._of_pages()}
        return len(states) == 1 and len({_got(one) for one in self._of_pages()}) == 1

    def _of_pages(self) -> list[Answer]:
        """Return the answers without those to OPTIONS that are no page, as almost any server's."""
        return [one for one in self.answers if one.way.method is Method.GET or one.observation.serial is not None]

    def summary(self) -> list[Styled]:
        """Return five lines for ways of asking that agree."""
        diagnosis = self.diagnosis
        said = wording.meaning(diagnosis.verdict) or "every way of asking gets the newest page"
        if diagnosis.outcome is ProbeExit.UNDETERMINED:
            said = diagnosis.sentences[0]
        required_serial = diagnosis.required_serial
        serial = max((one.observation.serial or 0 for one in self.answers), default=0)
        behind = max(0, (required_serial or 0) - serial)
        ways_asked = len({one.way for one in self.answers})
        lines = [
            f"{self.title} at {self.master}: {diagnosis.verdict}: {said}",
            f"serial  {serial or 'none'}" + (f", {behind} behind {required_serial}" if serial and behind else ""),
            f"asked   in {ways_asked} ways that agree, {len(self.answers)} requests",
            f"to do   {self._to_do()}",
            "all     add --all to see each request and its answer",
        ]
        return list(zip(lines, (_OUTCOMES[diagnosis.outcome], "", "", "", ""), strict=True))

    def _to_do(self) -> str:
        diagnosis = self.diagnosis
        if diagnosis.revalidated:
            return "nothing: a cache gave the old page once, while it fetched the one that was just released"
        if diagnosis.outcome is ProbeExit.FRESH:
            return "nothing"
        if diagnosis.outcome is ProbeExit.ALL_STALE and diagnosis.verdict is Verdict.UNKNOWN:
            return "have whoever runs the caches look into them, and ask again later"
        seen = [one.observation for one in self._of_pages() if one.way.page is self.base.page]
        statuses, problems = {one.status for one in seen}, {one.problem for one in seen} - {""}
        if statuses == {HTTPStatus.NOT_FOUND} and not self.project:
            return "see whether `[mirror] master` is right: there is no index below it"
        if statuses == {HTTPStatus.NOT_FOUND}:
            return "see whether the name is right, and whether the project has a release left"
        refused = (causes.REDIRECTS, causes.TLS, "status 403", "status 429")
        if problems and all(one.startswith(refused) for one in problems):
            return causes.advice(min(problems))
        if statuses == {None}:
            return causes.advice(causes.NO_CONNECTION)
        if all(status and status >= HTTPStatus.INTERNAL_SERVER_ERROR for status in statuses):
            return "nothing on the mirror: the master is in trouble; ask again later"
        if diagnosis.outcome is ProbeExit.UNDETERMINED:
            return "see what answers: an index of packages has serials, in X-PyPI-Last-Serial or in its pages"
        return wording.advice(diagnosis.verdict)

    def conclusion(self) -> Iterator[Styled]:
        """Yield the diagnosis and the advice, line by line."""
        for sentence in self.diagnosis.sentences:
            yield sentence, _OUTCOMES[self.diagnosis.outcome]
        if self.diagnosis.outcome is ProbeExit.UNDETERMINED:
            yield from (("", ""), (f"To do: {self._to_do()}", ""))
        if self.advice:
            yield from ((line, "") for line in ("", "In bandersnatch.conf:", "", *_indented(self.advice).splitlines()))

    def curl(self) -> str:
        """Return the requests as curl commands for a POSIX shell; they print the answers' headers."""
        return "\n".join(f"# {self._row(one, {})[0]}\n{curl_command(one)}" for one in self.answers)

    def markdown(self) -> str:
        """Return a report to paste into an issue."""
        head = [f"### {self.title} at {self.master}", ""]
        table = [f"| {' | '.join(_COLUMNS)} |", "|" + " --- |" * len(_COLUMNS)]
        table += [f"| {' | '.join(map(_cell, row))} |" for row in self.rows()]
        advice = ["", "In `bandersnatch.conf`:", "", _indented(self.advice)] if self.advice else []
        return "\n".join([*head, *map(_cell, self.diagnosis.sentences), *advice, "", *table, ""])

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; schema: docs/schemas/probe.json."""
        diagnosis = self.diagnosis
        return {
            "project": self.project,
            "outcome": diagnosis.outcome.name.lower().replace("_", "-"),
            "verdict": diagnosis.verdict,
            "required": diagnosis.required_serial,
            "announced": self.announced,
            "origin": diagnosis.origin_serial,
            "revalidated": diagnosis.revalidated,
            "decides": list(diagnosis.decides),
            "fresh_variants": list(map(str, diagnosis.fresh)),
            "diagnosis": list(diagnosis.sentences),
            "advice": self.advice,
            "answers": [self._answer(one) for one in self.answers],
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        way = answer.way
        required_serial = self.diagnosis.required_serial
        return {
            **answer.observation.evidence(),
            "how": way.describe(self.base),
            "method": way.method.value,
            "client": way.client.value,
            "page": way.page.value,
            "address": way.address,
            "url": shown_url(answer.url),
            "sent": _without_secrets(answer.sent),
            "fresh": None if required_serial is None else is_fresh(answer, required_serial, self.base),
            "bytes": answer.size,
            "milliseconds": answer.milliseconds,
        }


def curl_command(answer: Answer) -> str:
    """Return a curl command that repeats the request; a cache-bust parameter gets a new timestamp."""
    headers = _without_secrets(answer.sent)
    pinned = []
    if answer.way.address:
        parts = urlsplit(answer.url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        address = f"[{answer.way.address}]" if ":" in answer.way.address else answer.way.address
        pinned = ["--resolve", f"{parts.hostname}:{port}:{address}"]
    words = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--dump-header", "-"]
    if answer.way.method is not Method.GET:
        words += ["-X", answer.way.method.value]
    url = shown_url(answer.url)
    quoted = shlex.quote(url)
    if answer.way.cache_bust:
        until = url.rindex("=") + 1
        quoted = f'{shlex.quote(url[:until])}"$(date +%s)"'
    return f"{shlex.join([*words, *curl_arguments(headers), *pinned])} {quoted}"


def _got(answer: Answer) -> str:
    return answer.observation.problem or str(answer.observation.serial)


def shown_url(url: str) -> str:
    """Return a URL without user and password. The query stays: it is the suite's own."""
    query = urlsplit(url).query
    return plain_url(url) + (f"?{query}" if query else "")


def _without_secrets(headers: Any) -> dict[str, str]:
    secret = ("authorization", "proxy-authorization", "cookie", "host")
    return {name: printable(value) for name, value in headers.items() if name.lower() not in secret}


def _cell(text: str) -> str:
    """Return a text escaped for a Markdown table."""
    for mark in "\\`*_[]<>|#~&":
        text = text.replace(mark, f"\\{mark}")
    return text


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def exit_code(reports: Iterable[ProbeReport]) -> int:
    """Return the exit code for all probes together.

    UNDETERMINED wins; otherwise it is the outcome they all share, or SOME_STALE if they differ.
    """
    outcomes = {one.diagnosis.outcome for one in reports}
    if ProbeExit.UNDETERMINED in outcomes:
        return ProbeExit.UNDETERMINED
    return outcomes.pop() if len(outcomes) == 1 else ProbeExit.SOME_STALE
