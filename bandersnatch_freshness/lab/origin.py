"""The origin: projects, releases and serials, served as the documents Warehouse would serve.

No I/O: a path in, an answer out.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.observations import SERIAL_HEADER
from . import wheels

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"

# Close to the serials in the first report, pypa/bandersnatch#56.
FIRST_SERIAL = 4_869_648

_DATE = "2018-10-16T12:00:00"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, before an edge encodes its body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Project:
    """A project: `serial` is on its own page, `announced` in the index."""

    name: str
    serial: int = 0
    announced: int = 0
    versions: list[str] = field(default_factory=list)
    # What lists claim instead of `announced`.
    claimed: int | None = None

    @property
    def listed(self) -> int:
        """The serial that the index and XML-RPC list."""
        return self.announced if self.claimed is None else self.claimed


class Origin:
    """A PyPI without caches."""

    def __init__(self, listed: int = 0) -> None:
        """`listed`: how many projects appear in the index but have no page. There are no others yet."""
        self._listed = [Project(f"listed-{number:06}", announced=number + 1) for number in range(listed)]
        self.serial = FIRST_SERIAL
        self.projects: dict[str, Project] = {}
        self._changes: list[tuple[str, str, int]] = []
        self._files: dict[str, bytes] = {}

    def publish(self, name: str, reported_behind: int = 0) -> str:
        """Release the next version of a project, and return it.

        `reported_behind`: how far the serial on the project's own page is below the index's.
        """
        self.serial += 1
        project = self.projects.setdefault(name, Project(name))
        version = f"{len(project.versions) + 1}.0"
        project.versions.append(version)
        project.announced = self.serial
        project.serial = self.serial - reported_behind
        self._changes.append((name, version, self.serial))
        content = wheels.wheel(name, version)
        path = _file_path(wheels.filename(name, version), content)
        self._files[path] = content
        self._files[f"{path}.metadata"] = wheels.metadata(name, version)
        return version

    def heal(self) -> None:
        """Set the serial of every page to the one the index announces."""
        for project in self.projects.values():
            project.serial = project.announced
            project.claimed = None

    def restore(self, serial: int) -> None:
        """Go back to what there was at a serial, as from a backup; serials after it are given out a second time."""
        undone = [change for change in self._changes if change[2] > serial]
        self._changes = [change for change in self._changes if change[2] <= serial]
        for name, version, _ in undone:
            self.projects[name].versions.remove(version)
        for name, _, number in self._changes:
            self.projects[name].serial = self.projects[name].announced = number
        self.serial = serial

    def file(self, path: str) -> Answer:
        """Return a release file or its `.metadata` file; 404 if there is none."""
        content = self._files.get(path)
        return Answer(404) if content is None else Answer(200, {"Content-Type": "application/octet-stream"}, content)

    def page(self, path: str, accept: str, base: str, broken_index: str = "") -> Answer:
        """Return an index, a project page or a JSON document.

        `base` is the server's URL as the client sees it; file URLs start with it.
        `broken_index` is what is wrong with the index, as in `Behaviour.index`.
        """
        wants_json = SIMPLE_JSON in accept
        if path in ("/simple/", "/simple"):
            if path == "/simple":
                return Answer(301, {"Location": "/simple/"})
            answer = self._labelled(self.serial, *self._index(wants_json and broken_index != "html", broken_index))
            if broken_index == "no-serial":
                del answer.headers[SERIAL_HEADER]
            return answer
        if found := re.fullmatch(r"/simple/([^/]+)(/?)", path):
            project = self.projects.get(found[1])
            if project and not found[2]:
                return Answer(301, {"Location": f"{path}/"})
            if project:
                return self._labelled(project.serial, *self._project(project, wants_json, base))
        if found := re.fullmatch(r"/pypi/([^/]+)/json", path):
            project = self.projects.get(found[1])
            if project:
                return self._labelled(project.serial, "application/json", self._json_api(project, base))
        return Answer(404, {"Content-Type": "text/plain"}, b"404 Not Found")

    def call(self, method: str, parameters: Sequence[Any]) -> Any:
        """Answer one of the XML-RPC calls that Bandersnatch made until 7.1.

        Raises:
            LookupError: for any other method.
        """
        if method == "list_packages_with_serial":
            return {project.name: project.listed for project in self.projects.values()}
        if method == "changelog_since_serial":
            claims = [(one.name, "", one.claimed) for one in self.projects.values() if one.claimed is not None]
            return [
                [name, version, 0, "new release", serial]
                for name, version, serial in [*self._changes, *claims]
                if serial > parameters[0]
            ]
        if method == "changelog_last_serial":
            return self.serial
        raise LookupError(method)

    def _labelled(self, serial: int, kind: str, body: bytes) -> Answer:
        etag = f'"{hashlib.sha256(body).hexdigest()[:22]}"'
        return Answer(200, {"Content-Type": kind, SERIAL_HEADER: str(serial), "ETag": etag}, body)

    def _index(self, wants_json: bool, broken: str) -> tuple[str, bytes]:
        projects = sorted([*self.projects.values(), *self._listed], key=lambda project: project.name)
        projects = {"empty": [], "half": projects[::3]}.get(broken, projects)
        if wants_json:
            serials = broken != "no-serial"
            return SIMPLE_JSON, _json(
                meta={"api-version": "1.4"} | ({"_last-serial": self.serial} if serials else {}),
                projects=[
                    {"name": project.name}
                    | ({"_last-serial": project.listed} if serials and broken != "static" else {})
                    for project in projects
                ],
            )
        return _html("Simple index", self.serial, {f"/simple/{project.name}/": project.name for project in projects})

    def _project(self, project: Project, wants_json: bool, base: str) -> tuple[str, bytes]:
        files = [self._release_file(project.name, version, base) for version in project.versions]
        if wants_json:
            keys = {"filename", "url", "size", "yanked", "core-metadata"}
            return SIMPLE_JSON, _json(
                meta={"api-version": "1.4", "_last-serial": project.serial},
                name=project.name,
                versions=project.versions,
                files=[
                    {k: file[k] for k in keys} | {"hashes": {"sha256": file["digests"]["sha256"]}} for file in files
                ],
            )
        links = {f"{file['url']}#sha256={file['digests']['sha256']}": file["filename"] for file in files}
        return _html(f"Links for {project.name}", project.serial, links)

    def _json_api(self, project: Project, base: str) -> bytes:
        releases = {version: [self._release_file(project.name, version, base)] for version in project.versions}
        return _json(
            info={
                "name": project.name,
                "version": project.versions[-1],
                "summary": "A package of the lab",
                "classifiers": [],
                "requires_dist": None,
                "requires_python": None,
            },
            last_serial=project.serial,
            releases=releases,
            urls=releases[project.versions[-1]],
            vulnerabilities=[],
        )

    def _release_file(self, name: str, version: str, base: str) -> dict[str, Any]:
        content = wheels.wheel(name, version)
        file = wheels.filename(name, version)
        return {
            "filename": file,
            "url": base + _file_path(file, content),
            "packagetype": "bdist_wheel",
            "python_version": "py3",
            "requires_python": None,
            "size": len(content),
            "upload_time": _DATE,
            "upload_time_iso_8601": f"{_DATE}.000000Z",
            "digests": {
                "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                "sha256": hashlib.sha256(content).hexdigest(),
                "blake2b_256": _blake2(content),
            },
            "md5_digest": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "core-metadata": {"sha256": hashlib.sha256(wheels.metadata(name, version)).hexdigest()},
            "yanked": False,
            "yanked_reason": None,
        }


def _file_path(file: str, content: bytes) -> str:
    digest = _blake2(content)
    return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file}"


def _blake2(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def _json(**document: Any) -> bytes:
    return json.dumps(document).encode()


def _html(title: str, serial: int, links: dict[str, str]) -> tuple[str, bytes]:
    anchors = "".join(f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>\n' for url, text in links.items())
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    page = f"{head}<body>\n{anchors}</body></html>\n<!--SERIAL {serial}-->"
    return "text/html; charset=UTF-8", page.encode()
