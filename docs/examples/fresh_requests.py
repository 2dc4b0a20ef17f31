"""Ask PyPI, or a mirror of it, for a page that is no older than a serial that is known.

python fresh_requests.py https://pypi.example pip 38400000
"""

from __future__ import annotations

import sys

import requests

from bandersnatch_freshness import FreshAdapter, StaleError


def main(master: str, project: str, serial: int) -> None:
    """Print the newest version of a project, and how it was found."""
    with requests.Session() as session:
        adapter = FreshAdapter(master)
        session.mount(master, adapter)
        try:
            with adapter.requiring(serial) as asking:
                page = session.get(f"{master}/pypi/{project}/json", timeout=30)
        except StaleError as error:
            sys.exit(str(error))
        page.raise_for_status()
        print(project, page.json()["info"]["version"])  # noqa: T201
        for seen in asking.observations:
            print("-", seen)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
