# For people. Each target makes the environment it needs.

PYTHON ?= python3

# Nothing is compiled at installation by uv; what each of a thousand processes would compile anew is kept.
export PYTHONDONTWRITEBYTECODE =

.PHONY: check demo test test-all incidents standstill matrix soak bench wheel docs dependencies reference schemas lint clean

TESTS ?= tests

check: .venv/tested  ## the quick tests, those without a mirror
	.venv/bin/python -m pytest -q -n 4 -m 'not (mirror or slow or model or caches or prometheus or browser)' $(TESTS)

demo: .venv/installed  ## bare Bandersnatch against the suite, on the embedded lab
	.venv/bin/bandersnatch-freshness demo

test: .venv/tested  ## the tests on the newest Bandersnatch that this Python runs
	.venv/bin/python -m tests.everything $(OPTIONS)

test-all: .venv/nox  ## all tests, on each Bandersnatch whose Python is here
	.venv/bin/nox --no-error-on-missing-interpreters -s tests smoke lowest newest caches host_tests

incidents: .venv/nox  ## every known incident on real caches, for the table in docs/incidents.md
	.venv/bin/nox -s incidents

standstill: .venv/tested  ## every way in which a mirror can stand still, for docs/standing-still.md: an hour and a half
	.venv/bin/python -m tests.standstill
	.venv/bin/python -m tests.standstill days

matrix: .venv/nox  ## the tests on every Bandersnatch and Python, for the table in docs/compatibility.md
	rm -rf build/matrix
	.venv/bin/nox -s tests
	.venv/bin/nox -s smoke -- every
	.venv/bin/python -m tests.matrix

soak: .venv/nox  ## thousands of runs in worlds where all goes wrong, bare Bandersnatch beside the suite: an hour
	.venv/bin/nox -s soak

bench: .venv/nox  ## what the suite costs against bare Bandersnatch, for the table in docs/performance.md: 40 minutes
	.venv/bin/nox -s bench -- --write docs/performance.md

wheel: .venv/nox  ## both distributions, in build/dist; and the wheel alone, on each Python beside Bandersnatch 6.8 and 8.2
	.venv/bin/nox --no-error-on-missing-interpreters -s packaging wheel

docs: .venv/nox  ## the pages, in build/docs, with new pictures
	.venv/bin/nox -s docs -- pictures

dependencies: .venv/installed  ## docs/dependencies.md, from what pip installs
	.venv/bin/python docs/write_dependencies.py

reference: .venv/installed  ## the tables in the pages of the reference, from the code
	.venv/bin/python docs/write_reference.py

schemas: .venv/installed  ## docs/schemas/state.json and published.json, from the types of both
	.venv/bin/python docs/write_schemas.py

lint: .venv/nox  ## format, lint, types, and which way imports go
	.venv/bin/nox -s lint

clean:
	rm -rf .venv .nox build dist *.egg-info

# By uv, which takes seconds, where it can be had and finds everything; else by pip, which knows pip's own settings.
INSTALL = .venv/bin/python -m uv pip install --quiet --python .venv/bin/python $(1) \
	|| .venv/bin/python -m pip install --quiet --disable-pip-version-check $(1)

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv || echo 'No uv here: pip takes longer'
	$(call INSTALL,--editable '.[all]')
	touch $@

.venv/tested: .venv/installed
	$(call INSTALL,--editable '.[test]')
	touch $@

.venv/nox: .venv/installed
	$(call INSTALL,'nox>=2025.10.14')
	touch $@
