# Everything starts here: `make demo`, `make test`, `make lint`, `make bench`, `make soak`, `make train`.
# On a bare Debian 12 with Python 3.11+, git and make, each target sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAIN := .venv-train
TOOLS := var/tools
PEERS := orthanc orthanc-dicomweb dcmtk dicom3tools chromium mosquitto softhsm2

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test lint bench soak fuzz sbom audit train package install lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements/dev.txt pyproject.toml .ci/venv
	.ci/venv $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --require-hashes --no-deps --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(TRAIN)/.ready: requirements/training.txt requirements/dev.txt .ci/venv
	.ci/venv $(PYTHON) $(TRAIN)
	$(TRAIN)/bin/pip install --quiet --require-hashes --no-deps --requirement requirements/dev.txt
	$(TRAIN)/bin/pip install --quiet --requirement requirements/training.txt
	$(TRAIN)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The simulated unit exposes a hand; its image is analysed, reported, delivered and shown. ONCE=1: once, no browser.
demo: setup
	$(BIN)/calcedge demo $(if $(ONCE),--once)

# Every test. Foreign peers (Orthanc, DCMTK, a validator, a browser) are installed where that is allowed.
test: setup $(TRAIN)/.ready
	.ci/peers $(PEERS)
	$(BIN)/pytest -m "not soak and not training"
	$(TRAIN)/bin/pytest -m training tests/models

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Every figure, as a table in var/bench.
bench: setup $(TRAIN)/.ready
	.ci/peers $(PEERS)
	$(BIN)/python -m tests.bench

# The long versions of the tests.
soak: setup
	.ci/peers $(PEERS)
	$(BIN)/pytest -m soak --timeout 7200

# Hostile input, the figures that were asked for: hours on two cores. A short run of each is in `make test`.
fuzz: setup
	$(BIN)/python -m tests.fuzz admission --inputs 170000 --seed 8
	$(BIN)/python -m tests.fuzz decode --inputs 28000 --seed 8
	$(BIN)/python -m tests.fuzz worker --inputs 2000 --seed 8
	$(BIN)/python -m tests.fuzz requests --inputs 100000 --seed 8
	for target in configuration site update-metadata update-documents wheel state backup worklist dicomweb status search; do \
	    $(BIN)/python -m tests.fuzz $$target --inputs 5000 --seed 8 || exit 1; done
	$(BIN)/python -m tests.fuzz.serial --inputs 1000000

# What the appliance is made of (CycloneDX), and whether a vulnerability of it is known. Their tools have a place apart.
sbom: $(TOOLS)/.ready
	.ci/sbom $(TOOLS)/bin var/supply-chain

audit: $(TOOLS)/.ready
	.ci/audit $(TOOLS)/bin var/supply-chain

$(TOOLS)/.ready: .ci/venv
	.ci/venv $(PYTHON) $(TOOLS)
	$(TOOLS)/bin/pip install --quiet cyclonedx-bom==7.5.0 pip-audit==2.10.1
	touch $@

# From nothing to a model release. Hours on two cores; resumes where it was stopped.
train: $(TRAIN)/.ready
	$(TRAIN)/bin/calcedge-models train
	$(TRAIN)/bin/calcedge-models export
	$(TRAIN)/bin/calcedge-models evaluate --set-thresholds

# A Debian package with all it needs, in dist/; and its installation on this machine (as root).
package: setup
	PYTHON=$(BIN)/python systemd/package/build dist

install: package
	apt-get install --yes --reinstall ./dist/calcedge_*_$$(dpkg --print-architecture).deb

# Renews the locked dependencies. Needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --extra dev pyproject.toml --output-file requirements/dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    pyproject.toml --constraint requirements/dev.txt --output-file requirements/appliance.txt

clean:
	rm -rf $(VENV) $(TRAIN) var build dist
