"""The cache-bust parameter."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bandersnatch_freshness.transports.cache_bust import CacheBust


def stopped_clock() -> int:
    """Return the same instant for ever."""
    return 100


@pytest.mark.parametrize(
    ("url", "busted"),
    [
        ("https://master.example/simple/", "https://master.example/simple/?cb=100"),
        ("https://master.example/simple/?a=%2F&b=+%20&a", "https://master.example/simple/?a=%2F&b=+%20&a&cb=100"),
        ("https://master.example/simple/?", "https://master.example/simple/?cb=100"),
        ("https://master.example/simple/?cb=7", "https://master.example/simple/?cb=7&cb=100"),
        ("https://master.example/simple/?a#top?b", "https://master.example/simple/?a&cb=100#top?b"),
    ],
)
def test_appends_and_keeps_the_rest_to_the_letter(url: str, busted: str) -> None:
    """A query that is there stays, encoding included."""
    assert CacheBust("cb", stopped_clock).append(url) == (busted, "cb=100")


def test_replaces_its_own_after_a_redirect() -> None:
    """Where a redirect brought our parameter along, its value must not be seen twice."""
    bust = CacheBust("cb", stopped_clock)
    first, appended = bust.append("https://master.example/simple?a=1&cb=7")
    again, _ = bust.append(first, appended)
    assert again == "https://master.example/simple?a=1&cb=7&cb=101"


def test_no_two_requests_share_a_timestamp() -> None:
    """Not in the same instant, not from many threads, not when the clock steps back."""
    bust = CacheBust("cb", iter([100, 100, 50, 300, *[300] * 1000]).__next__)
    assert [bust.timestamp() for _ in range(4)] == [100, 101, 102, 300]
    with ThreadPoolExecutor(8) as threads:
        later = list(threads.map(lambda _: bust.timestamp(), range(1000)))
    assert len(set(later)) == 1000
