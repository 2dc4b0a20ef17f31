"""The section `[freshness]`."""

import configparser

import pytest

from bandersnatch_freshness.host.configuration import read_settings as read_configured
from bandersnatch_freshness.settings import OPTIONS, PLUGINS, OptionError, enabled_plugins, read_settings


def rungs(plugins: list[str], **section: str) -> list[str]:
    """Return the rungs of the settings, by name."""
    return [str(variant) for variant in read_settings(plugins, section).rungs]


@pytest.mark.parametrize(
    ("plugins", "section", "first", "count"),
    [
        pytest.param(["freshness"], {}, "plain", 7, id="adaptive"),
        pytest.param(["freshness_encoding"], {}, "strip", 1, id="encoding"),
        pytest.param(["freshness_cache_bust"], {}, "cache-bust", 1, id="cache-bust"),
        pytest.param(["freshness_encoding", "freshness_cache_bust"], {}, "strip+cache-bust", 1, id="both"),
        pytest.param(["freshness_escalation"], {}, "plain", 1, id="escalation"),
        pytest.param(list(PLUGINS), {}, "strip+cache-bust", 2, id="all"),
        pytest.param(["freshness", "freshness_encoding"], {}, "strip", 4, id="adaptive-and-encoding"),
        pytest.param(["freshness_encoding"], {"accept_encoding": "keep"}, "plain", 1, id="keep"),
        pytest.param(["freshness_cache_bust"], {"cache_bust": "never"}, "plain", 1, id="never"),
        pytest.param(["freshness"], {"cache_bust": "never"}, "plain", 5, id="adaptive-never"),
        pytest.param(["freshness"], {"accept_encoding": "keep"}, "plain", 4, id="adaptive-keep"),
        pytest.param(["freshness_encoding"], {"accept_encoding": "auto"}, "plain", 5, id="auto-of-one"),
    ],
)
def test_plugins_set_defaults_and_options_override_them(
    plugins: list[str], section: dict[str, str], first: str, count: int
) -> None:
    """The first rung is how every page is asked for; the others are there where something is auto."""
    assert rungs(plugins, **section)[0] == first
    assert len(rungs(plugins, **section)) == count


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"accept_encoding": "none"},
            "[freshness] accept_encoding = none: not a known value; allowed: auto, strip, keep",
        ),
        ({"cache_bust": "yes"}, "[freshness] cache_bust = yes: not a known value; allowed: auto, always, never"),
        ({"cache_bust_parameter": "a=b"}, "[freshness] cache_bust_parameter = a=b: not the name of a query parameter"),
        ({"cache_bust_parameter": ""}, "[freshness] cache_bust_parameter = : not the name of a query parameter"),
        (
            {"cachebust": "always"},
            "[freshness] cachebust = always: no such option; allowed: accept_encoding, cache_bust",
        ),
        ({"warn_after": "1"}, "[freshness] warn_after = 1: not a duration; allowed: such as 90s, 30m, 6h, 1d"),
        ({"warn_after": "0h"}, "[freshness] warn_after = 0h: not a duration"),
        ({"critical_after": "1w"}, "[freshness] critical_after = 1w: not a duration"),
        (
            {"warn_after": "2d"},
            "[freshness] critical_after = 1d (its default): shorter than warn_after; allowed: 2d and longer",
        ),
        ({"notifiy": "json://u:s3cret@a"}, "[freshness] notifiy = (a URL, not shown): no such option; allowed: "),
        ({"state": "s3://s3cret/"}, "[freshness] state = (a URL, not shown): not a file; allowed: "),
        ({"cache_bust": "auto\nnever"}, "[freshness] cache_bust = auto\\nnever: not a known value; allowed: auto,"),
        ({"repeat_every": "often"}, "[freshness] repeat_every = often: not a duration"),
        (
            {"notify": "json://a/\ns3cret"},
            "[freshness] notify = (line 2, of 6 characters): not a URL; allowed: Apprise URLs",
        ),
        (
            {"notify": "alertmanager://:9093"},
            "[freshness] notify = (line 1, of 20 characters): no host in it; allowed: ",
        ),
        ({"notify": "alertmanager://a:b"}, "[freshness] notify = (line 1, of 18 characters): no host in it"),
        (
            {"heartbeat": "hc.example/s3cret"},
            "[freshness] heartbeat = (of 17 characters): not such a URL; allowed: a URL",
        ),
        ({"heartbeat": "https://:80/s3cret"}, "[freshness] heartbeat = (of 18 characters): not such a URL; allowed"),
        ({"heartbeat": "https://a/ b"}, "[freshness] heartbeat = (of 12 characters): not such a URL; allowed: a URL"),
        (
            {"status_page": "status.json"},
            "[freshness] status_page = status.json: the facts beside it are to be web/status.json; allowed: another na",
        ),
        (
            {"status_page": "../freshness.html"},
            "[freshness] status_page = ../freshness.html: the facts beside it are to be freshness.json; allowed: ano",
        ),
        (
            {"status_page": "true"},
            "[freshness] status_page = true: not a file; allowed: a path, absolute or in the mirr",
        ),
        (
            {"metrics_file": "Yes"},
            "[freshness] metrics_file = Yes: not a file; allowed: a path, absolute or in the mirr",
        ),
        ({"state": "state/"}, "[freshness] state = state/: not a file; allowed: a path, absolute or in the mirror"),
    ],
)
def test_bad_options_are_said_in_one_line(section: dict[str, str], message: str) -> None:
    """Section, option, value, and what is allowed."""
    with pytest.raises(OptionError) as caught:
        read_settings(["freshness"], section)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"status_page": "simple/index.html"},
            "[freshness] status_page = simple/index.html: Bandersnatch's own; allowed: ",
        ),
        (
            {"status-page": "a/../simple/foo/index.html"},
            "[freshness] status_page = a/../simple/foo/index.html: Bandersn",
        ),
        (
            {"status_page": "../status"},
            "[freshness] status_page = ../status: Bandersnatch's own; allowed: any but status,",
        ),
        ({"metrics_file": "./todo"}, "[freshness] metrics_file = ./todo: Bandersnatch's own; allowed: "),
        ({"state": "generation"}, "[freshness] state = generation: Bandersnatch's own; allowed: "),
        ({"state": "."}, "[freshness] state = .: a directory; allowed: a file"),
        ({"state": "web"}, "[freshness] state = web: a directory; allowed: a file"),
        ({"state": "/tmp"}, "[freshness] state = /tmp: a directory; allowed: a file"),  # noqa: S108 - nothing is written
        ({"status_page": "."}, "[freshness] status_page = .: a directory; allowed: a file"),
    ],
)
def test_bandersnatch_s_own_files_are_not_written_over(section: dict[str, str], message: str) -> None:
    """Wherever a path leads to one."""
    configuration = configparser.ConfigParser()
    configuration.read_dict({"plugins": {"enabled": "freshness"}, "freshness": section})
    with pytest.raises(OptionError) as caught:
        read_configured(configuration)
    assert str(caught.value).startswith(message)


# A value of each option that is not its default.
OTHER_VALUES = {
    "accept_encoding": "strip",
    "cache_bust": "never",
    "cache_bust_parameter": "cb",
    "state": "other.json",
    "warn_after": "2h",
    "critical_after": "2d",
    "repeat_every": "2d",
    "ask_origin": "7",
    "quarantine_after": "never",
    "index_max_age": "7h",
    "audit_every": "never",
    "notify": "json://a/",
    "heartbeat": "https://a/ping/uuid",
    "metrics_file": "a.prom",
    "status_page": "a.html",
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_read_and_a_hyphen_is_as_good_as_an_underscore(option: str) -> None:
    """One that nothing reads changes nothing."""
    section = {option: OTHER_VALUES[option]}
    found = read_settings(["freshness"], section)
    assert found != read_settings(["freshness"], {})
    assert found == read_settings(["freshness"], {option.replace("_", "-"): OTHER_VALUES[option]})


def test_both_spellings_of_an_option_are_one_too_many() -> None:
    """Which of the two counts would be a guess."""
    with pytest.raises(OptionError, match=r"warn-after = 2h: warn_after is there twice"):
        read_settings(["freshness"], {"warn_after": "1h", "warn-after": "2h"})


@pytest.mark.parametrize(
    ("value", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("1d", 86400), ("007d", 604800)]
)
def test_reads_durations(value: str, seconds: int) -> None:
    """A number and a unit."""
    tracking = read_settings(["freshness"], {"warn_after": value, "critical_after": "999d"}).tracking
    assert tracking
    assert tracking.thresholds.warn_after == seconds


def test_reads_one_url_a_line() -> None:
    """Blank lines don't count."""
    tracking = read_settings(["freshness"], {"notify": "\njson://a/\n\n alertmanager://b:9093 \n"}).tracking
    assert tracking
    assert tracking.notify == ("json://a/", "alertmanager://b:9093")


@pytest.mark.parametrize(
    ("plugins", "escalates", "quarantines"),
    [
        (["freshness"], True, True),
        (["freshness_escalation"], True, False),
        (["freshness_quarantine"], False, True),
    ],
)
def test_each_plugin_remembers_for_what_it_does(plugins: list[str], escalates: bool, quarantines: bool) -> None:
    """Escalating and quarantining can be had apart."""
    tracking = read_settings(plugins, {}).tracking
    assert tracking
    assert tracking.escalates is escalates
    assert tracking.quarantine_after == (6 * 3600 if quarantines else None)


def test_who_only_dresses_requests_remembers_nothing() -> None:
    """No state is kept for that."""
    assert read_settings(["freshness_encoding", "freshness_cache_bust"], {}).tracking is None


def test_nothing_is_in_quarantine_where_that_is_switched_off() -> None:
    """By `never`, which is no duration."""
    tracking = read_settings(["freshness"], {"quarantine_after": "never"}).tracking
    assert tracking
    assert tracking.quarantine_after is None
    with pytest.raises(OptionError, match=r"quarantine_after = soon: not a duration; .* 1d; or never$"):
        read_settings(["freshness"], {"quarantine_after": "soon"})


@pytest.mark.parametrize(
    ("enabled", "plugins"),
    [
        ("\nblocklist_project\nfreshness", ("freshness",)),
        ("freshness_encoding\nfreshness_cache_bust", ("freshness_encoding", "freshness_cache_bust")),
        ("all", ("freshness",)),
        ("all\nfreshness_encoding", ("freshness", "freshness_encoding")),
        ("blocklist_project", ()),
    ],
)
def test_knows_which_plugins_are_enabled(enabled: str, plugins: tuple[str, ...]) -> None:
    """One name a line, as Bandersnatch reads them."""
    assert sorted(enabled_plugins(enabled)) == sorted(plugins)


@pytest.mark.parametrize(
    "name", ["freshness_encodng", "Freshness", "freshness, blocklist_project", "freshness-encoding"]
)
def test_a_name_that_starts_like_ours_must_be_ours(name: str) -> None:
    """A slip of the pen must not switch the suite off without a word."""
    with pytest.raises(OptionError, match=r"\[plugins\] enabled = .*: no such plugin; allowed: freshness,"):
        enabled_plugins(f"\nblocklist_project\n{name}")


def test_says_what_was_probably_meant() -> None:
    """Of plugins and of options; nothing where nothing is near."""
    with pytest.raises(OptionError, match=r", one name a line; did you mean freshness_encoding\?$"):
        enabled_plugins("freshness_encodng")
    with pytest.raises(OptionError, match=r", status_page; did you mean warn_after\?$"):
        read_settings(["freshness"], {"warnafter": "2h"})
    with pytest.raises(OptionError, match=r", status_page$"):
        read_settings(["freshness"], {"xyz": "2h"})


@pytest.mark.parametrize("option", ["warn_after", "warn-after"])
def test_the_section_outranks_what_it_inherits_in_either_spelling(option: str) -> None:
    """`[DEFAULT]` is no second spelling."""
    configuration = configparser.ConfigParser()
    configuration.read_dict({"DEFAULT": {"warn_after": "1h"}, "plugins": {"enabled": "freshness"}, "freshness": {}})
    inherited = read_configured(configuration).tracking
    configuration.set("freshness", option, "2h")
    own = read_configured(configuration).tracking
    assert inherited
    assert own
    assert (inherited.thresholds.warn_after, own.thresholds.warn_after) == (3600, 7200)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_two_plugins_mind_the_quarantine(plugin: str) -> None:
    """Also where nothing more goes into it."""
    found = read_settings([plugin], {"quarantine_after": "never"})
    assert found.quarantines is (plugin in ("freshness", "freshness_quarantine"))
