"""Where to start asking, and when to stop climbing."""

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.climb import Climb, Ladder, RecheckBudget
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER, PLAIN, AcceptEncoding, Variant

STRIP = Variant(AcceptEncoding.ABSENT)


def play(ladder: Ladder, fresh: set[Variant], pages: int) -> int:
    """Ask for so many pages that are fresh in these variants; return the requests it took."""
    requests = 0
    for _ in range(pages):
        for extra, variant in enumerate(ladder.order()):
            requests += 1
            if variant in fresh:
                ladder.fresh_at(variant, extra)
                break
        else:
            ladder.in_vain(extra)
    return requests


def test_a_healthy_edge_is_asked_plainly() -> None:
    """One request a page, plain from first to last."""
    ladder = Ladder(LADDER)
    assert play(ladder, set(LADDER), 1000) == 1000
    assert ladder.start == PLAIN


def test_an_edge_stale_throughout_costs_one_extra_request() -> None:
    """What cured the first page is where all others start."""
    ladder = Ladder(LADDER)
    assert play(ladder, set(LADDER) - {PLAIN}, 25) == 25 + 1
    assert ladder.start == STRIP


def test_trials_of_the_first_rung_get_rarer() -> None:
    """An edge that stays stale costs a logarithm of the pages, well under 1 %."""
    ladder = Ladder(LADDER)
    assert play(ladder, set(LADDER) - {PLAIN}, 10_000) - 10_000 <= 6


def test_a_single_stale_page_does_not_change_the_whole_run() -> None:
    """A while after it, pages are asked for plainly again."""
    ladder = Ladder(LADDER)
    play(ladder, {STRIP}, 1)
    assert ladder.start == STRIP
    assert play(ladder, set(LADDER), 25 + 1) == 25 + 1
    assert ladder.start == PLAIN


def test_a_later_answer_to_an_earlier_plan_teaches_nothing() -> None:
    """A worker that was under way when the trial succeeded must not undo what it taught."""
    ladder = Ladder(LADDER)
    play(ladder, {STRIP}, 1 + 25)
    assert ladder.order()[0] == PLAIN
    ladder.fresh_at(PLAIN, 0)
    ladder.fresh_at(STRIP, 0)
    assert ladder.start == PLAIN


def test_a_failed_trial_falls_back_on_what_worked() -> None:
    """The second request of a trial is the cure known so far."""
    ladder = Ladder(LADDER)
    bust = LADDER[2]
    play(ladder, {bust}, 1 + 25)
    assert ladder.order()[:2] == (PLAIN, bust)


def test_a_trial_is_one_page_only() -> None:
    """While one worker tries the first rung, the others go on as before."""
    ladder = Ladder(LADDER)
    play(ladder, {STRIP}, 1 + 25)
    assert [ladder.order()[0] for _ in range(3)] == [PLAIN, STRIP, STRIP]


def test_backing_off_starts_anew_after_a_success() -> None:
    """An edge that was healthy in between gets its first trial early again."""
    ladder = Ladder(LADDER)
    play(ladder, {STRIP}, 1 + 25 * 4)
    play(ladder, set(LADDER), 25 * 4 + 1)
    assert ladder.start == PLAIN
    play(ladder, {STRIP}, 1)
    assert play(ladder, set(LADDER), 25 + 1)
    assert ladder.start == PLAIN


def test_the_budget_ends_climbing_in_vain() -> None:
    """Pages that no variant cures stop costing a climb each, long before PyPI would notice."""
    ladder = Ladder(LADDER)
    play(ladder, set(), 1000 // (len(LADDER) - 1))
    assert not ladder.exhausted
    play(ladder, set(), 50)
    assert ladder.exhausted


def test_useful_climbs_cost_no_budget() -> None:
    """However many pages are cured one by one, the next one is as well."""
    ladder = Ladder(LADDER)
    for _ in range(2 * 1000):
        ladder.fresh_at(STRIP, 1)
    assert not ladder.exhausted


def test_what_is_known_to_be_stale_is_asked_for_in_other_ways_each_time() -> None:
    """Whatever was learned of other pages; with the whole ladder behind, should there be news."""
    ladder = Ladder(LADDER)
    ladder.fresh_at(STRIP, 1)
    climbs = [ladder.order(RecheckBudget(1, turn, 41)) for turn in range(8)]
    assert [climb[0] for climb in climbs] == [*LADDER, LADDER[0]]
    assert {frozenset(climb) for climb in climbs} == {frozenset(LADDER)}


@pytest.mark.parametrize(
    ("observations", "is_enough"),
    [
        pytest.param([(200, 41), (200, 41)], True, id="as-known"),
        pytest.param([(200, 41)], False, id="one-way-left"),
        pytest.param([(200, 41), (200, 40)], True, id="older"),
        pytest.param([(200, 41), (200, None)], True, id="no-serial"),
        pytest.param([(200, 41), (200, 42)], False, id="newer"),
        pytest.param([(200, 41), (404, None)], False, id="not-found"),
        pytest.param([(200, 41), (503, None)], False, id="an-error"),
    ],
)
def test_news_is_worth_a_climb(observations: list[tuple[int, int | None]], is_enough: bool) -> None:
    """A newer page than ever seen, or an answer that is no page; not one of several old copies."""
    seen = [Observation(PLAIN, status, serial) for status, serial in observations]
    assert RecheckBudget(2, 0, 41).is_enough(seen) is is_enough


def test_a_404_is_no_news_of_what_is_missing() -> None:
    """A page is, fresh or not."""
    budget = RecheckBudget(1, 0, None, is_missing=True)
    assert budget.is_enough([Observation(PLAIN, 404)])
    assert not budget.is_enough([Observation(PLAIN, 200, 41)])


NEW = b'{"last_serial": 42}'


@pytest.mark.parametrize(
    ("url", "count", "seen", "body", "serial", "problem"),
    [
        pytest.param("/pypi/foo/json", 0, None, NEW, 42, "", id="no-header"),
        pytest.param("/pypi/foo/json", 0, None, b"<html>", None, "a body that is no JSON", id="no-serial-at-all"),
        pytest.param("/pypi/foo/json", 0, None, b"{}", None, "", id="no-serial-anywhere"),
        pytest.param("/pypi/foo/json", 1, 42, NEW, 42, "", id="whole"),
        pytest.param("/pypi/foo/json", 1, 42, b'{"last_serial": 41}', 41, "", id="older-than-its-header"),
        pytest.param("/pypi/foo/json", 1, 42, b'{"last_serial": 99}', 42, "", id="newer-than-its-header"),
        pytest.param("/pypi/foo/json", 1, 42, b"{}", 42, "", id="without-a-serial"),
        pytest.param("/pypi/foo/json?x=1", 1, 42, b"<html>", None, "a body that is no JSON", id="html"),
        pytest.param("/pypi/foo/json/", 1, 42, NEW[:9], None, "a body that is no JSON", id="half-of-it"),
        pytest.param("/pypi/foo/json", 1, 42, None, None, "a body that breaks off", id="cut-off"),
        pytest.param("/simple/foo/", 1, 42, b"<html>", 42, "", id="a-page-in-html"),
    ],
)
def test_a_later_answer_is_a_cure_only_if_it_is_whole(
    url: str, count: int, seen: int | None, body: bytes | None, serial: int | None, problem: str
) -> None:
    """What is fresh by its header is read before it is judged; the first answer only where it has no serial."""
    climb = Climb(url, 42, LADDER)
    for _ in range(count):
        climb.saw(Observation(PLAIN, 200, 41))
    one = Observation(STRIP, 200, seen)
    assert climb.wants_body(one)
    read = climb.read(one, body)
    assert (read.serial, read.problem) == (serial, problem)
    climb.saw(read)
    assert climb.is_fresh is (serial == 42)
    assert (climb.way is None) is climb.is_fresh or count == 0


@pytest.mark.parametrize(
    ("body", "serial", "problem"),
    [
        pytest.param(NEW, 42, "", id="as-its-header"),
        pytest.param(b'{"last_serial": 41}', 41, "", id="older-than-its-header"),
        pytest.param(b'{"info": {"last_serial": 41}}', 42, "", id="without-one"),
        pytest.param(NEW[:9], None, "a body that is no JSON", id="half-of-it"),
        pytest.param(None, None, "a body that breaks off", id="cut-off"),
    ],
)
def test_where_the_body_counts_it_is_read_at_once(body: bytes | None, serial: int | None, problem: str) -> None:
    """The first answer too: a header alone can come with an older page."""
    climb = Climb("/pypi/foo/json", 42, LADDER, by_body=True)
    one = Observation(PLAIN, 200, 42)
    assert climb.wants_body(one)
    assert not climb.wants_body(Observation(PLAIN, 200, 41))
    assert not Climb("/pypi/foo/json", 0, LADDER, by_body=True).wants_body(one)
    read = climb.read(one, body)
    assert (read.serial, read.problem) == (serial, problem)
    climb.saw(read)
    assert climb.is_fresh is (serial == 42)
    assert climb.has_nothing is (serial is None)
    assert (climb.way is None) is climb.is_fresh


def test_what_was_too_much_to_read_is_not_read_again() -> None:
    """Of a page that has a serial in its header, nothing is different."""
    climb = Climb("/pypi/foo/json", 42, LADDER, by_body=True, reads=False)
    assert not climb.wants_body(Observation(PLAIN, 200))
    assert climb.wants_body(Observation(PLAIN, 200, 42))


def test_stale_answers_are_not_read() -> None:
    """Neither is the first one where its header tells, nor what is no page."""
    climb = Climb("/pypi/foo/json", 42, LADDER)
    assert not climb.wants_body(Observation(PLAIN, 200, 42))
    climb.saw(Observation(PLAIN, 200, 41))
    assert not climb.wants_body(Observation(STRIP, 200, 41))
    assert not climb.wants_body(Observation(STRIP, 200))
    assert not climb.wants_body(Observation(STRIP, 404))


MISS = Observation(PLAIN, 404, x_cache="MISS, MISS")


@pytest.mark.parametrize(
    ("seen", "believes", "proven"),
    [
        pytest.param(MISS, True, True, id="past-all-caches"),
        pytest.param(MISS, False, False, id="behind-a-proxy"),
        pytest.param(replace(MISS, x_cache="HIT, MISS"), True, False, id="from-a-cache"),
        pytest.param(replace(MISS, x_cache=""), True, False, id="no-cache-says-so"),
        pytest.param(replace(MISS, x_cache="", cache_status="edge; fwd=miss"), True, True, id="by-the-standard"),
        pytest.param(replace(MISS, age="3"), True, False, id="with-an-age"),
        pytest.param(replace(MISS, via="1.1 proxy"), True, False, id="via-another"),
        pytest.param(replace(MISS, status=410), True, False, id="another-status"),
    ],
)
@pytest.mark.parametrize(
    "after", [[], [Observation(STRIP, 200, 41, x_cache="HIT")]], ids=["at-once", "after-an-old-page"]
)
def test_a_404_of_the_origins_own_ends_the_climb(
    after: list[Observation], seen: Observation, *, believes: bool, proven: bool
) -> None:
    """Whatever old page a cache may have."""
    climb = Climb("/pypi/foo/json", 42, LADDER, believes_404=believes)
    for one in [*after, seen]:
        climb.saw(one)
    assert climb.is_proven_gone is proven
    if proven:
        assert climb.error is seen
        assert climb.way is None


@pytest.mark.parametrize(
    ("left_out", "second"),
    [
        pytest.param((), LADDER[2], id="past-the-edge-by-the-parameter"),
        pytest.param(("cache_bust",), Variant(no_cache=True), id="by-no-cache"),
        pytest.param(("cache_bust", "no_cache"), Variant(AcceptEncoding.DEFLATE), id="the-rarest-copy"),
    ],
)
def test_a_404_is_asked_for_in_the_way_that_differs_most(left_out: tuple[str, ...], second: Variant) -> None:
    """Of those that are left."""
    ladder = Ladder(LADDER)
    ladder.leave_out(left_out)
    climb = Climb("/pypi/foo/json", 42, ladder.order())
    climb.saw(Observation(PLAIN, 404))
    assert climb.way == second


def test_what_is_left_out_comes_back() -> None:
    """In the same ladder, as of a program that makes several runs."""
    ladder = Ladder(LADDER)
    ladder.fresh_at(LADDER[2], 2)
    ladder.leave_out({"cache_bust"})
    assert ladder.start == PLAIN
    assert LADDER[2] not in ladder.order()
    ladder.leave_out(())
    assert ladder.order() == LADDER


def test_what_is_known_follows_what_cured_others() -> None:
    """Then in the first way; once that has helped too few, only in the first way."""
    ladder, known = Ladder(LADDER), RecheckBudget(1, None, 41)
    assert ladder.asks_once(known) == RecheckBudget(1, 0, 41)
    assert ladder.order(known) == LADDER
    ladder.fresh_at(STRIP, 1)
    follows = ladder.asks_once(known)
    assert follows == RecheckBudget(2, None, 41)
    assert ladder.order(follows)[:2] == (STRIP, PLAIN)
    for _ in range(10):
        assert ladder.asks_once(known) == follows
        ladder.in_vain(1, follows)
    once = ladder.asks_once(known)
    assert once == RecheckBudget(1, 0, 41)
    assert ladder.order(once)[0] == PLAIN
    assert ladder.asks_once(RecheckBudget(3, 5, 41)) == RecheckBudget(3, 5, 41)


@pytest.mark.parametrize(
    ("old", "cure", "revalidated"),
    [
        pytest.param(["HIT, HIT"], (STRIP, "MISS, MISS"), True, id="another-copy"),
        pytest.param(["MISS, HIT", "HIT, HIT"], (LADDER[2], "MISS, HIT"), True, id="the-same-copy-again"),
        pytest.param(["HIT, HIT", "HIT, HIT"], (LADDER[2], "MISS, MISS"), False, id="past-all-caches"),
        pytest.param(["HIT, MISS"], (STRIP, "HIT, HIT"), False, id="from-the-origin"),
        pytest.param(["HIT"], (STRIP, "MISS"), False, id="one-tier"),
        pytest.param([""], (STRIP, ""), False, id="no-cache"),
    ],
)
def test_what_may_have_been_old_only_once(old: list[str], cure: tuple[Variant, str], *, revalidated: bool) -> None:
    """Of caches in tiers, as PyPI's are; a page that is not there, or breaks off, is another matter."""
    for status, serial in ((200, 41), (404, None), (200, None)):
        climb = Climb("/pypi/foo/json", 42, LADDER)
        for way, state in zip(LADDER, old, strict=False):
            climb.saw(Observation(way, status, serial, x_cache=state))
        climb.saw(Observation(cure[0], 200, 42, x_cache=cure[1]))
        assert climb.was_revalidated is (revalidated and serial is not None)


def test_404s_are_doubted_again_once_one_of_them_was_a_page() -> None:
    """Twenty in a row is many."""
    ladder = Ladder(LADDER)
    for was_right in [False] * 19 + [True] + [False] * 19:
        assert ladder.doubts_404
        ladder.doubted_404(was_right=was_right)
    assert ladder.doubts_404
    ladder.doubted_404(was_right=False)
    assert not ladder.doubts_404
