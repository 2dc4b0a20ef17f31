"""The command `bandersnatch-freshness check`."""

from __future__ import annotations

import argparse
import json
import time

from .. import option_values
from ..exit_codes import CheckExit
from ..reporting import check as checks


def main(options: argparse.Namespace) -> int:
    """Print one line with figures for a monitoring system; return its exit code."""
    try:
        code, line = _from_outside(options) if options.url else _here(options)
    except (OSError, ValueError) as error:
        code, line = CheckExit.UNKNOWN, checks.line(CheckExit.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - a traceback would exit with 1, which means WARNING
        text = f"an error inside bandersnatch-freshness: {type(error).__name__}"
        code, line = CheckExit.UNKNOWN, checks.line(CheckExit.UNKNOWN, text)
    print(json.dumps({"exit_code": code, "line": line}) if options.json else line)  # noqa: T201
    return code


def _if_a_threshold(config: str) -> str:
    """Return what to say of a configuration's name that is a duration: other plugins have `-c` for that."""
    try:
        option_values.duration(config)
    except option_values.BadValueError:
        return ""
    return " (of a threshold, --critical)"


def _here(options: argparse.Namespace) -> tuple[CheckExit, str]:
    """Check the mirror that is configured on this host."""
    from ..host.configuration import NoConfigurationError
    from . import summaries
    from .ownership import told

    try:
        summary = summaries.summarize(options)
    except NoConfigurationError as error:
        raise ValueError(f"{error}{_if_a_threshold(options.config)}") from None
    except PermissionError as error:  # as of Nagios' own user
        raise ValueError(f"{told(error)}, by sudo, or check from outside by --url") from None
    return checks.check(summary, _limits(options))


def _from_outside(options: argparse.Namespace) -> tuple[CheckExit, str]:
    """Check what users of these URLs get."""
    from ..outside.answers import places
    from ..outside.asking import survey_all
    from ..outside.judgement import judge
    from ..outside.reference import Reference
    from ..outside.report import report

    fleet = survey_all([places(url) for url in dict.fromkeys(options.url)], options.timeout)
    reference = Reference(answer for one in fleet for answer in one.answers)
    return report(judge(fleet, reference, int(time.time())), reference.thresholds, _limits(options))


def _limits(options: argparse.Namespace) -> checks.AgeLimits:
    if options.warning is not None and options.critical is not None and options.critical < options.warning:
        raise ValueError("--critical is shorter than -w; allowed: as long, or longer")
    return checks.AgeLimits(options.warning, options.critical)
