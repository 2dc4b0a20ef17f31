"""Bandersnatch's own lines, lowered while they are no news yet."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from bandersnatch_freshness.host.log_lines import QuietStaleSerials


class StaleError(Exception):
    """Stands for Bandersnatch's."""

    def __init__(self, package_name: str) -> None:
        """Remember the package."""
        super().__init__(package_name)
        self.package_name = package_name


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Return a logger where foo is quiet."""
    made = logging.getLogger("tests.quiet")
    quiet = QuietStaleSerials(lambda project: project == "foo", StaleError)
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
        pytest.param("Timeout error for package foo - Attempt 1", "ERROR", id="time-out"),
        pytest.param("Timeout error for foo (42) not updating. Giving up.", "ERROR", id="time-out-gives-up"),
        pytest.param("Exiting early after error.", "ERROR", id="anything-else"),
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


@pytest.mark.parametrize(
    ("error", "level"), [(StaleError("foo"), "INFO"), (StaleError("bar"), "ERROR"), (OSError("foo"), "ERROR")]
)
def test_lowers_tracebacks_of_stale_serials(
    error: Exception, level: str, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """With the traceback still in them."""
    caplog.set_level(logging.INFO)
    try:
        raise error
    except Exception:
        logger.exception("Error syncing package: foo@42")
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
