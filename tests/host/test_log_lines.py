"""Bandersnatch's own lines about what fails, lowered while they are no news yet, and once they have been told."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from bandersnatch_freshness.core.incidents import MIRROR
from bandersnatch_freshness.host.log_lines import QuietFailures

LEVELS = {"foo": logging.INFO, "told": logging.DEBUG, MIRROR: logging.INFO}


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Return a logger where foo is no news yet, and of what is told everybody knows."""
    made = logging.getLogger("tests.quiet")
    quiet = QuietFailures(lambda subject: LEVELS.get(subject, logging.ERROR), lambda: True)
    made.addFilter(quiet)
    yield made
    made.removeFilter(quiet)
    made.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        pytest.param("Stale serial for package foo - Attempt 1", "DEBUG", id="first-attempt"),
        pytest.param("Stale serial for package foo - Attempt 2", "INFO", id="attempt"),
        pytest.param("Stale serial for foo (42) not updating. Giving up.", "INFO", id="gives-up"),
        pytest.param("Stale serial for package bar - Attempt 1", "ERROR", id="loud-one"),
        pytest.param("Stale serial for package told - Attempt 2", "DEBUG", id="told"),
        pytest.param("Timeout error for package foo - Attempt 1", "DEBUG", id="time-out"),
        pytest.param("Timeout error for foo (42) not updating. Giving up.", "INFO", id="time-out-gives-up"),
        pytest.param("Exiting early after error.", "INFO", id="stop-on-error"),
        pytest.param("Unable to write json to x: y", "INFO", id="disk"),
        pytest.param("Continuing to next file after error downloading: https://x/y", "INFO", id="a-file"),
        pytest.param("Flock timed out!", "ERROR", id="anything-else"),
    ],
)
def test_lowers_lines_about_stale_serials(
    line: str, level: str, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """Of quiet packages, and no other line; the first attempt's further, as the page may be fresh in the next."""
    caplog.set_level(logging.DEBUG)
    logger.error(line)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, line)
    assert record.levelno == getattr(logging, level)


@pytest.mark.parametrize("line", ["Fetching metadata for package: {} (serial 42)", "Storing index page(s): {} - in /x"])
@pytest.mark.parametrize(("project", "shows"), [("foo", True), ("told", False), ("bar", True)])
def test_progress_of_what_is_known_is_not_shown(
    line: str, project: str, shows: bool, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """There may be thousands that are stale for days."""
    caplog.set_level(logging.INFO)
    logger.setLevel(logging.INFO)
    logger.info(line.format(project))
    assert [record.levelname for record in caplog.records] == ["INFO"] * shows


def test_while_nothing_has_failed_no_line_is_looked_at() -> None:
    """There are two of each package."""
    asked = []

    def level(*subjects: str) -> int:
        asked.append(subjects)
        return logging.DEBUG

    line = logging.makeLogRecord({"levelno": logging.INFO, "msg": "Storing index page(s): foo - in /x"})
    assert QuietFailures(level, lambda: False).filter(line)
    assert (line.levelno, asked) == (logging.INFO, [])


@pytest.mark.parametrize(("project", "level"), [("foo", "INFO"), ("told", "DEBUG"), ("bar", "ERROR")])
def test_lowers_tracebacks(project: str, level: str, logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever failed; the traceback is still in them."""
    caplog.set_level(logging.DEBUG)
    try:
        raise OSError("whatever")
    except Exception:
        logger.exception("Error syncing package: %s@42", project)
    (record,) = caplog.records
    assert record.levelname == level
    assert record.exc_info


def test_a_logger_above_info_does_not_show_what_was_lowered(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """As it would not have shown it had it been INFO from the start."""
    caplog.set_level(logging.DEBUG)
    logger.setLevel(logging.WARNING)
    logger.error("Stale serial for package foo - Attempt 2")
    logger.error("Stale serial for package bar - Attempt 1")
    assert [record.getMessage() for record in caplog.records] == ["Stale serial for package bar - Attempt 1"]
