"""Variants and the order of the ladder."""

from bandersnatch_freshness.core.variants import AcceptEncoding, rungs


def names(*args: object) -> list[str]:
    """Return the rungs by name."""
    return [str(variant) for variant in rungs(*args)]  # type: ignore[arg-type]


def test_the_ladder_goes_from_cheap_to_dear() -> None:
    """The order of DESIGN: plain, strip, strip and bust, then the remaining copies."""
    assert names() == [
        "plain",
        "strip",
        "strip+cache-bust",
        "deflate",
        "cache-bust",
        "no-cache",
        "strip+cache-bust+no-cache",
    ]


def test_a_fixed_encoding_is_never_changed() -> None:
    """`keep` leaves Accept-Encoding alone in every rung, and no rung comes twice."""
    assert names(AcceptEncoding.CLIENT) == ["plain", "cache-bust", "no-cache", "cache-bust+no-cache"]


def test_never_busting_means_never() -> None:
    """`never` leaves the query alone in every rung."""
    assert names(None, False) == ["plain", "strip", "deflate", "no-cache", "strip+no-cache"]


def test_both_fixed_leave_one_more_thing_to_try() -> None:
    """With strip and always, only no-cache is left."""
    assert names(AcceptEncoding.ABSENT, True) == ["strip+cache-bust", "strip+cache-bust+no-cache"]
