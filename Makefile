# Everything that this project can be told to do. Each target installs what it needs, then does its whole job.

CACHE  ?= $(HOME)/.cache/salt-agent
VENVS  := $(CACHE)/venv
TOOLS  := $(CACHE)/tools/bin
SALT   := 3008.3 3007.15 3006.28
CARGO  ?= cargo

export SALT_AGENT_VENVS := $(VENVS)
export SALT_AGENT_CACHE := $(CACHE)
export PATH := $(TOOLS):$(PATH)

# Seconds that each fuzz target runs in `make test`, and each master is soaked in `make soak`.
FUZZ_SECONDS ?= 10
SOAK_SECONDS ?= 600
# Agents that `make fleet` moves.
FLEET ?= 300

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: packages $(VENVS)/3006.28/.ready $(VENVS)/3008.3/.ready ## Show the main job on two real salt-masters, in a few minutes
	@# Unoptimised: what is shown is the same, and a cold machine compiles it in a third of the time.
	$(CARGO) build --quiet --package salt-agent --package master-bridge --package harness --bin salt-agent --bin master-bridge --bin demo
	target/debug/demo

.PHONY: test
test: packages venvs cloud-init $(TOOLS)/cargo-deb fuzz ## Run every test, against real masters of three releases
	$(CARGO) build --workspace --all-targets
	tests/setup/suites.sh

.PHONY: test-openstack
test-openstack: packages ## Hold the sandbox against real Keystone, Nova, Neutron, Glance, Cinder and Heat (Debian 12, root)
	CACHE=$(CACHE) tests/openstack/install.sh
	$(CARGO) build --package salt-agent --package master-bridge
	$(CARGO) test --package harness --test openstack --no-run
	@# One after the other: each counts what the one project holds before and after.
	@# What a run that failed has left counts no more.
	CACHE=$(CACHE) tests/openstack/down.sh --wipe
	CACHE=$(CACHE) tests/openstack/up.sh && \
		OPENSTACK_LAB_AUTH=http://127.0.0.1:5000/v3 OPENSTACK_LAB_CLI=$(CACHE)/openstack/venv/bin/openstack \
		$(CARGO) test --package harness --test openstack -- --include-ignored --skip on_real_guests --test-threads 1; \
		status=$$?; CACHE=$(CACHE) tests/openstack/down.sh; exit $$status

.PHONY: test-openstack-real
test-openstack-real: export LAB_LEVEL = real
test-openstack-real: dist $(VENVS)/3008.3/.ready ## Boot, flip, replace and image QEMU guests on OVN's networks, and measure (Debian 12, root; LAB_VIRT=kvm)
	tests/setup/vm.sh $(CACHE)/vm
	CACHE=$(CACHE) tests/openstack/install.sh
	$(CARGO) build --workspace --bins
	target/debug/vm $(CACHE)/vm target/dist/salt-agent_*.deb $(CACHE)/openstack/images/guest.qcow2
	$(CARGO) test --package harness --test openstack --no-run
	CACHE=$(CACHE) tests/openstack/down.sh --wipe
	CACHE=$(CACHE) tests/openstack/up.sh && CACHE=$(CACHE) tests/openstack/inside.sh env \
		OPENSTACK_LAB_REAL_AUTH=http://127.0.0.1:5000/v3 OPENSTACK_LAB_KERNEL=$(CACHE)/vm \
		OPENSTACK_LAB_IMAGE=$(CACHE)/openstack/images/guest.qcow2 \
		$(CARGO) test --package harness --test openstack -- --ignored --nocapture on_real_guests; \
		status=$$?; CACHE=$(CACHE) tests/openstack/down.sh; exit $$status

.PHONY: lint
lint: packages tools ## Check format, lints, docs, dependencies and units
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --quiet
	tests/setup/deny.sh
	tests/setup/units.sh

.PHONY: fuzz
fuzz: tools ## Run each fuzz target for FUZZ_SECONDS
	tests/setup/fuzz.sh $(FUZZ_SECONDS)

.PHONY: soak
soak: packages venvs ## Hold a session to each stock master for SOAK_SECONDS at 20 publications a second
	$(CARGO) build --workspace --all-targets
	SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --package harness --test soak -- --nocapture

.PHONY: parity
parity: packages venvs ## Compile the state trees TREES by real Salt and by the agent, and compare
	$(CARGO) build --release --quiet --package salt-agent --package harness --bin salt-agent --bin parity
	target/release/parity $(TREES)

.PHONY: fleet
fleet: packages venvs ## Move FLEET agents (300) between two real masters, in waves, with kills and a failure
	$(CARGO) build --workspace --all-targets
	FLEET=$(FLEET) $(CARGO) test --package harness --test remaster many -- --nocapture

.PHONY: directions
directions: packages venvs ## Every case of a move in each of the three directions of DIRECTIONS in tests/remaster/pair.rs, where `make test` goes one
	$(CARGO) build --workspace --all-targets
	DIRECTIONS=all $(CARGO) test --package harness --test remaster -- moves strange net orders

.PHONY: bench
bench: packages venvs ## Measure beside salt-minion in one run: memory, start, ping, stop, size, highstate
	$(CARGO) build --release --quiet --package salt-agent --package harness --bin salt-agent --bin bench
	target/release/bench

.PHONY: layout
layout: packages $(VENVS)/3008.3/.ready ## Say anew which functions lie side by side in the released agent (valgrind)
	LAYOUT=none CARGO_PROFILE_RELEASE_STRIP=none CARGO_TARGET_DIR=target/layout $(CARGO) build --release --package salt-agent --package harness --bin salt-agent --bin layout
	target/layout/release/layout agent/layout.ld

.PHONY: doc
doc: ## Build the reference of the libraries and the man pages
	$(CARGO) doc --workspace --no-deps
	$(CARGO) build --package salt-agent --package master-bridge
	mkdir -p target/man
	target/debug/salt-agent man --dir target/man
	target/debug/master-bridge man target/man

.PHONY: test-userlands
test-userlands: dist ## Run the static program in Ubuntu 18.04 (or Debian's oldest) and in the newest Debian (root)
	tests/setup/userlands.sh $(CACHE)/userlands target/dist/salt-agent-*-static

.PHONY: test-aarch64
test-aarch64: packages $(TOOLS)/cargo-deb $(TOOLS)/cargo-generate-rpm ## Build the agent for 64-bit ARM, run it under an emulator, pack it (root)
	tests/setup/rpm.sh
	tests/setup/aarch64.sh $(CACHE)/aarch64

.PHONY: test-rpm
test-rpm: dist $(VENVS)/3008.3/.ready ## Install, upgrade and remove the rpm on a machine with systemd (root)
	$(CARGO) build --quiet --package salt-agent --package master-bridge
	$(CARGO) test --package harness --test systemd -- --ignored an_rpm

.PHONY: test-vm
test-vm: dist $(VENVS)/3008.3/.ready ## Boot a true VM from an image with the agent in it, bake that, boot its clones (VM_ACCEL=kvm)
	tests/setup/vm.sh $(CACHE)/vm
	$(CARGO) build --quiet --workspace --bins
	target/debug/vm $(CACHE)/vm target/dist/salt-agent_*.deb

.PHONY: dist
dist: packages $(TOOLS)/cargo-deb $(TOOLS)/cargo-generate-rpm ## Build packages and the static program, with checksums, in target/dist
	tests/setup/musl.sh
	tests/setup/rpm.sh
	packaging/dist.sh

.PHONY: reproduce
reproduce: dist ## Build the same commit again in another directory and compare every byte with target/dist
	packaging/reproduce.sh

# What the targets above need.

.PHONY: cloud-init
cloud-init: packages
	@tests/setup/cloud-init.sh $(CACHE)/cloud-init

.PHONY: packages
packages:
	@tests/setup/packages.sh

.PHONY: venvs
venvs: $(SALT:%=$(VENVS)/%/.ready)

# No prerequisite: a fresh clone's script is newer than every environment, and they are shared by all clones.
$(VENVS)/%/.ready:
	tests/setup/venv.sh $* $(VENVS)/$*

.PHONY: tools
tools: $(TOOLS)/cargo-deny $(TOOLS)/cargo-fuzz

# Unoptimised: they run for seconds, but a cold machine compiles them for minutes.
$(TOOLS)/%:
	$(CARGO) install --quiet --debug --locked --root $(CACHE)/tools $*
