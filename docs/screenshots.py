"""Make the pictures of the status page: seven days of real runs against the lab, in Debian's Chromium.

PYTHONPATH=. python docs/screenshots.py [DIRECTORY]
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab
from tests.browser.chromium import PACKAGES, chromium
from tests.caches.processes import missing_packages
from tests.end_to_end.cron import DAY, HOUR, NOON, cron

HOURS = 7 * DAY // HOUR
OFF = range(66, 78)

COLORS = 128

PICTURES = {"light": (1000, "light"), "dark": (1000, "dark"), "narrow": (320, "light")}


def main(directory: Path) -> None:
    """Make them all."""
    missing = missing_packages(PACKAGES)
    if missing:
        said = f"No pictures of the status page are made without Debian's packages {', '.join(missing)}"
        sys.exit(said) if os.environ.get("CI") else print(said)  # noqa: T201
        return
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        page = run_a_week(Path(place))
        with chromium(Path(place) / "chromium") as browser:
            for name, (width, scheme) in PICTURES.items():
                browser.open(page.as_uri(), NOON + HOURS * HOUR, width, scheme)
                # In so few colors it looks the same, and takes a third of the space.
                picture = Image.open(io.BytesIO(browser.picture(width))).convert("RGB").quantize(COLORS)
                picture.save(directory / f"status-page-{name}.png", optimize=True)


def run_a_week(place: Path) -> Path:
    """Run once an hour, through all that can go wrong; return the page that is there in the end."""
    chance = random.Random(56)  # noqa: S311 - to have the same picture again
    behind, stuck = Behaviour("the origin is behind", origin_behind=1), Behaviour("no purge arrives", stuck=ALL_COPIES)
    wrong = {20: (behind, 3), 118: (behind, 1), 164: (stuck, 2)}
    with Lab(16, "healthy", "pypi") as lab:
        mirror = Mirror(place, lab, ["freshness"], {"status_page": "status.html", "index_max_age": "30d"})
        names = iter(lab.names)
        with cron(mirror) as runs:
            for hour in range(HOURS + 1):
                if hour == 29:
                    lab.heal()
                if hour in wrong:
                    behaviour, count = wrong[hour]
                    lab.behave(behaviour)
                    lab.release([next(names) for _ in range(count)])
                    lab.behave("healthy")
                lab.release(chance.choices(lab.names[8:], k=chance.randrange(6)))
                if hour not in OFF:
                    runs.run(hour * HOUR)
    return mirror.directory / "web" / "status.html"


main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pictures"))
