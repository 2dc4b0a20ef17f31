"""What a probe comes to, for the tests of the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class Probed(NamedTuple):
    """What a probe came to."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> dict[str, Any]:
        """Its only report, as --json prints it."""
        (report,) = json.loads(self.output)["probes"]
        assert isinstance(report, dict)
        return report


Probe = Callable[..., Probed]
