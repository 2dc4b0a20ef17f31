"""What the origin serves of projects, in the formats of Warehouse: plain data in, a document out."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import wheels
from .wheels import normalized

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SIMPLE_HTML = "application/vnd.pypi.simple.v1+html"

_DATE = "2018-10-16T12:00:00"


@dataclass
class Project:
    """A project: `serial` is on its own page, `announced` in the index."""

    name: str
    serial: int = 0
    announced: int = 0
    versions: list[str] = field(default_factory=list)
    # What lists claim instead of `announced`.
    claimed: int | None = None
    # By PyPI, as malware: its files are withheld.
    quarantined: bool = False

    @property
    def listed(self) -> int:
        """The serial that the index and XML-RPC list."""
        return self.announced if self.claimed is None else self.claimed

    @property
    def served(self) -> list[str]:
        """The versions whose files are served."""
        return [] if self.quarantined else self.versions


def index(projects: Iterable[Project], serial: int, *, wants_json: bool, broken: str = "") -> tuple[str, bytes]:
    """Return the index's content type and body; `broken` is what is wrong with it, as in `Behaviour.index`."""
    projects = sorted(projects, key=lambda project: project.name)
    projects = {"empty": [], "half": projects[::3]}.get(broken, projects)
    if not wants_json:
        links = {f"/simple/{normalized(project.name)}/": project.name for project in projects}
        return _html("Simple index", serial, links)
    serials = broken != "no-serial"
    return SIMPLE_JSON, _json(
        meta={"api-version": "1.4"} | ({"_last-serial": serial} if serials else {}),
        projects=[
            {"name": project.name} | ({"_last-serial": project.listed} if serials and broken != "static" else {})
            for project in projects
        ],
    )


def simple_page(project: Project, base: str, *, wants_json: bool) -> tuple[str, bytes]:
    """Return the content type and body of a project's page in the simple API; `base` is where its files are."""
    files = [_release_file(project.name, version, base) for version in project.served]
    if not wants_json:
        links = {f"{file['url']}#sha256={file['digests']['sha256']}": file["filename"] for file in files}
        return _html(f"Links for {project.name}", project.serial, links)
    keys = {"filename", "url", "size", "yanked", "core-metadata"}
    return SIMPLE_JSON, _json(
        meta={"api-version": "1.4", "_last-serial": project.serial},
        name=normalized(project.name),
        **{"project-status": {"status": "quarantined" if project.quarantined else "active"}},
        versions=project.served,
        files=[{k: file[k] for k in keys} | {"hashes": {"sha256": file["digests"]["sha256"]}} for file in files],
    )


def json_page(project: Project, base: str, version: str = "") -> bytes:
    """Return a project's page in the JSON API, or that of one release, which lists no others."""
    releases = {one: [_release_file(project.name, one, base)] for one in project.versions}
    shown = version or project.versions[-1]
    return _json(
        info={
            "name": project.name,
            "version": shown,
            "summary": "A package of the lab",
            "classifiers": [],
            "requires_dist": None,
            "requires_python": None,
        },
        last_serial=project.serial,
        **({} if version else {"releases": releases}),
        urls=releases[shown],
        vulnerabilities=[],
    )


def file_path(file: str, content: bytes) -> str:
    """Return the path of a release file."""
    digest = _blake2(content)
    return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file}"


def _release_file(name: str, version: str, base: str) -> dict[str, Any]:
    content = wheels.wheel(name, version)
    file = wheels.filename(name, version)
    return {
        "filename": file,
        "url": base + file_path(file, content),
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


def _blake2(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def _json(**document: Any) -> bytes:
    return json.dumps(document).encode()


def _html(title: str, serial: int, links: dict[str, str]) -> tuple[str, bytes]:
    anchors = "".join(f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>\n' for url, text in links.items())
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    page = f"{head}<body>\n{anchors}</body></html>\n<!--SERIAL {serial}-->"
    return "text/html; charset=UTF-8", page.encode()
