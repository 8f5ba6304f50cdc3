# make demo: the two-host lab.   make test: all that there is to check.   make bench: ours beside the C programs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What the tests need of the system: the C programs as peers (OVN's too), a VM for the kernel module, network tools,
# shells whose completion is tried, Graphviz for pictures, and Mininet, which drives the tools.
PACKAGES := openvswitch-switch openvswitch-common qemu-system-x86 busybox-static kmod \
            iproute2 iputils-ping iperf3 tcpdump ethtool \
            gcc libc6-dev ovn-central ovn-common openssl fish zsh graphviz mininet net-tools

.PHONY: demo test packages lint types check bench format neutron clean

demo: $(VENV)/.installed
	@demo/run

test: packages lint types check

# Without root the missing packages are only named: their tests skip, or fail where REQUIRE names them.
packages:
	@tools/packages $(PACKAGES) || [ "$$(id -u)" != 0 ]

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed
	$(BIN)/mypy .

check: $(VENV)/.installed
	@tools/check $(BIN)/pytest

# OpenStack Neutron's calls to Open vSwitch, in an environment of their own: large, and not part of the tests.
neutron: $(VENV)/.installed
	test -x .neutron/bin/python || $(PYTHON) -m venv .neutron
	.neutron/bin/pip install --quiet --disable-pip-version-check neutron
	.neutron/bin/python tools/neutron_check.py $(abspath $(BIN))

# In an environment of its own, where the database engine is compiled, as setup.py describes.
bench: packages
	test -x .bench/bin/python || $(PYTHON) -m venv .bench
	VSWITCH_COMPILE=1 .bench/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps .
	.bench/bin/pip install --quiet --disable-pip-version-check '.[bench,test]'
	.bench/bin/python -m benchmarks --json docs/performance.json --chart docs/performance.svg --page

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "vswitch needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) .bench .neutron build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
