# The two commands of README.md, and what they are made of. Each installs what it needs and may be run twice.

WORLD  := tests/world/world
LABRUN := target/debug/labrun
# The engines that worlds are played on, all of them on the first; `make test ENGINES=26` is the quick one.
ENGINES := 26 20
# The worlds played on the older engine; all where none is named (`make test WORLDS_20=`).
WORLDS_20 := untouched,reference,compose,engine-stopped

.DEFAULT_GOAL := help

# cargo makes it; what it is made from, cargo knows.
$(LABRUN):

.PHONY: help demo dist test lint deny browser browser-setup screenshots clean-world

help:
	@echo 'make demo         grade a student VM, mistake included; ends with a report on screen and as HTML'
	@echo 'make test         everything: format, lints, licences, the test world, all tests, all worlds'
	@echo 'make browser      the pages in a real Chromium, which this installs'
	@echo 'make screenshots  pictures of the pages, into docs/screenshots'
	@echo 'make dist         a release for this machine in target/dist: static, tested, with checksums (docs/install.md)'
	@echo 'make clean-world  remove the student VMs, their images and caches; says how much disk that frees'

demo:
	cargo build --quiet
	tests/world/demo $(LABRUN)

# Some minutes of compiling: the one thing here that `make test` does not do.
dist:
	dist/build
	dist/test

test: lint deny browser-setup
	$(WORLD) setup --engine all
	$(WORLD) selftest --engine all
	LABRUN_BROWSER=1 LABRUN_WORLD="$(ENGINES)" INSTA_UPDATE=no cargo test --no-fail-fast -- --nocapture --test-threads 2
	@$(MAKE) --no-print-directory $(foreach engine,$(ENGINES),target/played-$(engine)-$(or $(WORLDS_$(engine)),all))

# The worlds played on an engine: played again only where labrun, with the labs in it, the worlds or the machines are other
# files than when they all came out as they must. A fresh clone plays everything.
target/played-%: $(LABRUN) $(wildcard labs/worlds/*) $(shell find tests/world -type f)
	$(LABRUN) selftest --jobs 3 --retries 1 $(if $(findstring -all,$*),,--only $(WORLDS_$(firstword $(subst -, ,$*)))) \
	  --vm-command '$(WORLD) vm --engine $(firstword $(subst -, ,$*))'
	@touch $@

# Formatting, Rust lints, and the product's own content.
lint:
	cargo fmt --check
	cargo clippy --quiet --all-targets -- --deny warnings
	cargo run --quiet -- lint labs/*.yaml labs/worlds/*.yaml checks/*.yaml

# Licences, bans and sources of the dependencies. Built without optimisation: it runs for a second.
deny:
	@command -v cargo-deny >/dev/null || { \
	  echo 'installing cargo-deny (some minutes, once)'; cargo install --quiet --locked --debug cargo-deny; }
	cargo deny --log-level warn check licenses bans sources

# Reports and the page of a class in Debian's Chromium: clicked, typed at, and looked over by axe.
browser: browser-setup
	LABRUN_BROWSER=1 cargo test --test it browser:: -- --nocapture

browser-setup:
	@tests/browser/setup

# Pictures of the pages into docs/screenshots; docs/pages.md says what is on them.
PAGES := $(CURDIR)/target/pages
screenshots: browser-setup
	rm -rf $(PAGES); mkdir -p $(PAGES) docs/screenshots
	LABRUN_PAGES=$(PAGES) cargo test --quiet --test it browser::pages_to_look_at
	LABRUN_PAGES=$(PAGES) node tests/browser/screenshots.mjs docs/screenshots

clean-world:
	$(WORLD) clean
