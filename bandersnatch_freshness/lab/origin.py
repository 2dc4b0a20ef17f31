"""The origin: projects, releases and serials, served as Warehouse serves them.

No I/O: a path in, an answer out. Routes, methods, redirects and lifetimes are those of pypi/warehouse at 6b62157
(2026-08), in `warehouse/`: `routes.py`, `csrf.py`, `views.py`, `api/simple.py`, `legacy/api/json.py`,
`cache/origin/fastly.py`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from ..core.observations import SERIAL_HEADER
from . import documents, wheels
from .documents import SIMPLE_JSON, Project
from .wheels import normalized

# Close to the serials in the first report, pypa/bandersnatch#56.
FIRST_SERIAL = 4_869_648

INDEX = "/simple/"

# What the origin tells the caches in front of it, and no one else.
FOR_CACHES = ("Surrogate-Control", "Surrogate-Key")

_PAGE = re.compile(r"/simple/([^/]+)(/?)|/pypi/([^/]+)(?:/([^/]+))?/json/?")
_ALLOWED = ("GET", "HEAD", "OPTIONS")
_RELEASE = "new release"


class Change(NamedTuple):
    """One event of the changelog."""

    name: str
    version: str
    action: str
    serial: int


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, before an edge encodes its body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Lifetimes:
    """How long a tier of caches may keep answers, in seconds.

    The origin says so in Surrogate-Control; of what it does not (a 404, a missing slash), the caches decide: `other`.
    """

    page: int = 86400
    # In JSON; in HTML the index is kept as any page.
    index: int = 1800
    while_revalidate: int = 300
    if_error: int = 86400
    other: int = 60


def project_of(path: str) -> str:
    """Return the normalized name of the project whose page a path is; "" for the index and whatever else."""
    found = _PAGE.fullmatch(unquote(path))
    return normalized(found[1] or found[3]) if found else ""


class Origin:
    """A PyPI without caches."""

    def __init__(self, listed: int = 0, lifetimes: Lifetimes | None = None) -> None:
        """`listed`: how many projects appear in the index but have no page. There are no others yet."""
        self._listed = [Project(f"listed-{number:06}", announced=number + 1) for number in range(listed)]
        self._lifetimes = lifetimes or Lifetimes()
        self.serial = FIRST_SERIAL
        # By normalized name.
        self.projects: dict[str, Project] = {}
        self.changes: list[Change] = []
        self._files: dict[str, bytes] = {}

    def publish(self, name: str, reported_behind: int = 0) -> str:
        """Release the next version of a project, and return it.

        `reported_behind`: how far the serial on the project's own page is below the index's.
        """
        project = self.projects.setdefault(normalized(name), Project(name))
        version = f"{len(project.versions) + 1}.0"
        project.versions.append(version)
        self.happen(project.name, _RELEASE, version)
        project.serial -= reported_behind
        content = wheels.wheel(name, version)
        path = documents.file_path(wheels.filename(name, version), content)
        self._files[path] = content
        self._files[f"{path}.metadata"] = wheels.metadata(name, version)
        return version

    def happen(self, name: str, action: str, version: str = "") -> None:
        """Add an event to the changelog, by which the serials of PyPI and of the project go up."""
        self.serial += 1
        self.changes.append(Change(name, version, action, self.serial))
        if project := self.projects.get(normalized(name)):
            project.serial = project.announced = self.serial

    def heal(self) -> None:
        """Set the serial of every page to the one the index announces."""
        for project in self.projects.values():
            project.serial = project.announced
            project.claimed = None

    def pass_over(self, serials: int) -> None:
        """Raise the serial by this many, as events of unlisted projects do."""
        self.serial += serials

    def restore(self, serial: int) -> None:
        """Go back to what there was at a serial, as from a backup; serials after it are given out a second time."""
        undone = [change for change in self.changes if change.serial > serial]
        self.changes = [change for change in self.changes if change.serial <= serial]
        for change in undone:
            if change.action == _RELEASE:
                self.projects[normalized(change.name)].versions.remove(change.version)
        for change in self.changes:
            if project := self.projects.get(normalized(change.name)):
                project.serial = project.announced = change.serial
        self.serial = serial

    def file(self, path: str) -> Answer:
        """Return a release file or its `.metadata` file; 404 if there is none."""
        content = self._files.get(path)
        return Answer(404) if content is None else Answer(200, {"Content-Type": "application/octet-stream"}, content)

    def page(self, path: str, accept: str, base: str, broken_index: str = "", method: str = "GET") -> Answer:
        """Return an index, a project's page or a JSON document, by the path as it was sent.

        `base` is the server's URL as the client sees it; file URLs start with it.
        `broken_index` is what is wrong with the index, as in `Behaviour.index`.
        """
        path = unquote(path)
        if method not in _ALLOWED:
            return Answer(405, {"Allow": ", ".join(_ALLOWED)})
        answer = self._page(path, SIMPLE_JSON in accept, base, broken_index)
        if method == "OPTIONS":
            answer.headers.pop("ETag", None)  # which is made for GET and HEAD alone
        return answer

    def _page(self, path: str, wants_json: bool, base: str, broken_index: str) -> Answer:
        if path == INDEX:
            wants_json = wants_json and broken_index != "html"
            projects = [*(one for one in self.projects.values() if not one.quarantined), *self._listed]
            made = documents.index(projects, self.serial, wants_json=wants_json, broken=broken_index)
            answer = self._kept(self._lifetimes.index if wants_json else self._lifetimes.page, self.serial, *made)
            if broken_index == "no-serial":
                del answer.headers[SERIAL_HEADER]
            return answer
        if path == "/simple" or re.fullmatch(r"/simple/[^/]+", path):
            return Answer(301, {"Location": f"{path}/"})
        found = _PAGE.fullmatch(path)
        project = self.projects.get(normalized(found[1] or found[3])) if found else None
        if not found:
            return Answer(404, {"Content-Type": "text/html"}, b"404 Not Found")
        simple, _, name, version = found.groups()
        if project and simple:
            answer = self._kept(
                *(self._lifetimes.page, project.serial),
                *documents.simple_page(project, base, wants_json=wants_json),
            )
            return _of_project(project, answer, simple, f"/simple/{normalized(simple)}/")
        if project and not project.quarantined and (version in project.versions if version else project.versions):
            body = documents.json_page(project, base, version or "")
            answer = self._kept(self._lifetimes.page, project.serial, "application/json", body)
            answer.headers["Cache-Control"] = "max-age=900, public"
            right = "/".join(["/pypi", normalized(name), *([version] if version else []), "json"])
            return _of_project(project, answer, name, right)
        if simple:
            return Answer(404, {"Content-Type": "text/plain"}, b"404 Not Found")
        return Answer(404, {"Content-Type": "application/json"}, b'{"message": "Not Found"}')

    def _kept(self, seconds: int, serial: int, kind: str, body: bytes) -> Answer:
        headers = {
            "Content-Type": kind,
            SERIAL_HEADER: str(serial),
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:22]}"',
            "Cache-Control": "max-age=600, public",
            "Surrogate-Control": f"max-age={seconds}, stale-while-revalidate={self._lifetimes.while_revalidate}, "
            f"stale-if-error={self._lifetimes.if_error}",
        }
        return Answer(200, headers, body)


def _of_project(project: Project, answer: Answer, asked: str, right: str) -> Answer:
    """Return a project's page, or the redirect to it, which is kept as long; both are purged by its key."""
    answer.headers["Surrogate-Key"] = f"project/{normalized(project.name)}"
    if asked == normalized(project.name):
        return answer
    kept = {name: answer.headers[name] for name in ("Cache-Control", *FOR_CACHES)}
    return Answer(301, {"Location": right, **kept})
