# stackemu: `make up` starts the emulator, `make test` runs every test, `make` alone lists the targets.
# Works with GNU make 3.81 and later (macOS has no newer one).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
.NOTPARALLEL:

# A Go that is older than go.mod asks for fetches the right one by itself, also where a distribution has switched
# that off. `sudo` and new shells often lack the folder of Go's own installer.
export GOTOOLCHAIN := auto
export PATH := $(PATH):/usr/local/go/bin
GO := go

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w
# VCS stamping is off because it fails in a checkout of another user; VERSION says the same.
BUILD := build -trimpath -buildvcs=false

# What runs on the host, so everywhere; the rest runs in the guest only, which is Linux.
HOST_PACKAGES := $(GO) list ./... | grep -v -e /cmd/stackguest -e /guest/bootinit -e /guest/tools

STATICCHECK_VERSION := v0.8.2
STATICCHECK := .cache/bin/staticcheck-$(STATICCHECK_VERSION)
GOVULNCHECK_VERSION := v1.9.0
GOVULNCHECK := .cache/bin/govulncheck-$(GOVULNCHECK_VERSION)
ACTIONLINT_VERSION := v1.7.7
ACTIONLINT := .cache/bin/actionlint-$(ACTIONLINT_VERSION)

# The guest's own programs, which stackemu embeds.
TOOLS := $(foreach arch,amd64 arm64,guest/toolbin/stackguest-linux-$(arch).gz guest/toolbin/bootinit-linux-$(arch).gz)

# Where `up` looks for an image, as the program itself does.
ARCH := $(subst x86_64,amd64,$(subst aarch64,arm64,$(or $(EMULATOR_ARCH),$(shell uname -m))))
IMAGE_DIR := $(or $(EMULATOR_IMAGE_DIR),$(or $(STACK_EMULATOR_HOME),$(HOME)/.stack/emulator)/images)
IMAGE := $(IMAGE_DIR)/stack-emulator-$(ARCH).qcow2
E2E_IMAGES := $(CURDIR)/.cache/e2e
E2E_IMAGE := $(E2E_IMAGES)/stack-emulator-$(ARCH).qcow2
# What a guest of another architecture needs here.
SETUP_ARCH := $(if $(EMULATOR_ARCH),--arch $(ARCH))

.PHONY: help setup build up image test test-short unit e2e e2e-arm64 e2e-build chaos bench faults fuzz fuzz-short vulncheck lint fmt clean FORCE

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: ## install what is missing on this machine (asks for root only then)
	@scripts/setup.sh $(SETUP_ARCH)

build: setup-build bin/stackemu ## build bin/stackemu, static, with the guest's tools in it

up: setup bin/stackemu ## start the emulator, after building all that it needs; Ctrl-C stops it
	@[[ -e "$(IMAGE)" ]] || bin/stackemu image build
	@exec bin/stackemu up $(ARGS)

image: setup bin/stackemu ## build the reference image anew, to where `up` looks for it
	bin/stackemu image build $(ARGS)

test: setup-test bin/stackemu unit e2e ## run every test, unit to end-to-end (real QEMU, real image)

test-short: setup-build $(TOOLS) ## run the fast unit tests, with the race detector
	$(GO) test -race -short -timeout 5m ./...

e2e: setup-test bin/stackemu ## run the end-to-end tests on the reference image (built when its inputs changed)
	scripts/e2e-image.sh "$(E2E_IMAGE)"
	STACKEMU_REQUIRE_QEMU=1 STACKEMU_E2E_IMAGE="$(E2E_IMAGE)" STACKEMU_E2E_BIN="$(CURDIR)/bin/stackemu" \
		$(GO) test -count=1 -v -timeout 40m ./internal/e2e

# Where arm64 is foreign, everything in the guest is translated, while the image is built and while it runs.
E2E_ARM64_IMAGE := $(E2E_IMAGES)/stack-emulator-arm64.qcow2
e2e-arm64: export EMULATOR_ARCH := arm64
e2e-arm64: setup-build bin/stackemu ## build, boot, capture and resume the image of arm64 (long, and not part of test: five minutes and more on amd64)
	@scripts/setup.sh --arch arm64
	scripts/e2e-image.sh "$(E2E_ARM64_IMAGE)"
	STACKEMU_E2E_IMAGE="$(E2E_ARM64_IMAGE)" STACKEMU_E2E_BIN="$(CURDIR)/bin/stackemu" \
		$(GO) test -count=1 -v -timeout 60m ./internal/e2e -run '^TestARM64'

e2e-build: setup-test bin/stackemu ## build images of a container of one's own, under crun and docker, and live with them (20 min, not part of test)
	STACKEMU_E2E_BUILD=1 STACKEMU_E2E_BIN="$(CURDIR)/bin/stackemu" $(GO) test -count=1 -v -timeout 60m ./internal/e2e -run '^TestContractPage'

CHAOS_MINUTES ?= 10
chaos: setup-test bin/stackemu ## random faults in three live instances (CHAOS_MINUTES=10; CHAOS_SEED=N for the same faults again)
	scripts/e2e-image.sh "$(E2E_IMAGE)"
	STACKEMU_CHAOS_MINUTES="$(CHAOS_MINUTES)" STACKEMU_CHAOS_SEED="$(CHAOS_SEED)" STACKEMU_CHAOS_FAULTS="$(CHAOS_FAULTS)" \
		STACKEMU_E2E_IMAGE="$(E2E_IMAGE)" STACKEMU_E2E_BIN="$(CURDIR)/bin/stackemu" \
		$(GO) test -count=1 -v -timeout $$(($(CHAOS_MINUTES) + 40))m ./internal/e2e/chaos

bench: setup bin/stackemu ## measure how fast instances start, next to QEMU alone; then run the Go benchmarks
	@[[ -e "$(IMAGE)" ]] || bin/stackemu image build
	bin/stackemu bench $(ARGS)
	STACKEMU_E2E_BIN="$(CURDIR)/bin/stackemu" $(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./...

lint: setup-build $(TOOLS) $(STATICCHECK) $(ACTIONLINT) $(GOVULNCHECK) ## gofmt, vet, staticcheck, govulncheck, actionlint, the layering rules, and the cross-compiles
	@echo "gofmt"; unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
		[[ -z "$$unformatted" ]] || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(STATICCHECK) ./...
	$(ACTIONLINT)
	$(GOVULNCHECK) ./... || { (($$? != 3)) && echo "the list of known holes cannot be asked from here: not compared"; }
	$(GO) test -count=1 ./internal/archtest
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet $$($(HOST_PACKAGES))
	GOOS=darwin GOARCH=amd64 CGO_ENABLED=0 $(GO) build $$($(HOST_PACKAGES))
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...

faults: setup-test $(TOOLS) ## run the tests of docs/reliability.md, and sum them up (those with the real image: make e2e)
	@scripts/faults.sh

FUZZTIME := 1m
FUZZ := .
fuzz: setup-build $(TOOLS) ## fuzz every target for FUZZTIME (1m); FUZZ is a pattern of package.FuzzName
	@scripts/fuzz.sh "$(FUZZTIME)" "$(FUZZ)"

fuzz-short: setup-build $(TOOLS) ## fuzz what reads foreign input, a minute each
	@scripts/fuzz.sh 1m '^(qemu\.FuzzReadHeader|qemu/qmp\.FuzzParse|qemu/qga\.FuzzParse|internal/snapshot\.FuzzManifest|internal/config\.FuzzParse|internal/ports\.FuzzDecode|internal/github\.FuzzAnswers)$$'

vulncheck: setup-build $(TOOLS) $(GOVULNCHECK) ## compare the modules with the public list of known holes (needs the Internet)
	$(GOVULNCHECK) ./...

fmt: setup-build ## format all Go files
	$(GO) fmt ./...

clean: ## remove what make has built here (not the emulator's data in your home)
	rm -rf bin .cache $(TOOLS)

# ---- what is behind the targets above

# What a release of the program has beside it (.goreleaser.yaml).
.PHONY: release-files
release-files: bin/stackemu
	@mkdir -p .cache/release/completions
	bin/stackemu man >.cache/release/stackemu.1
	gzip -9nc .cache/release/stackemu.1 >.cache/release/stackemu.1.gz
	bin/stackemu completion bash >.cache/release/completions/stackemu.bash
	bin/stackemu completion zsh >.cache/release/completions/_stackemu
	bin/stackemu completion fish >.cache/release/completions/stackemu.fish

.PHONY: setup-build setup-test
setup-build:
	@scripts/setup.sh --build
setup-test:
	@scripts/setup.sh --test $(SETUP_ARCH)

# QEMU must be there: with STACKEMU_REQUIRE_QEMU a test that would be skipped without it fails instead.
unit: setup-test $(TOOLS)
	STACKEMU_REQUIRE_QEMU=1 scripts/go-test.sh .cache/unit.log -race -count=1 -timeout 15m ./...
	@scripts/faults.sh .cache/unit.log

# Go's own build cache knows best what is out of date, so its builds always run.
bin/stackemu: $(TOOLS) FORCE
	@echo "build $@ ($(VERSION))"
	@CGO_ENABLED=0 $(GO) $(BUILD) -ldflags "$(LDFLAGS) -X main.version=$(VERSION)" -o $@ ./cmd/stackemu

.cache/stackguest-linux-%: FORCE
	@$(call guest-program,./cmd/stackguest)
.cache/bootinit-linux-%: FORCE
	@$(call guest-program,./guest/bootinit)

# A program that came out the same keeps its time, so that it is not compressed and embedded again.
define guest-program
mkdir -p .cache; CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) $(BUILD) -ldflags "$(LDFLAGS)" -o $@.new $(1) && \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
endef

guest/toolbin/%.gz: .cache/%
	@echo "build $@"
	@gzip -9nc $< >.cache/$*.gz && mv .cache/$*.gz $@

$(STATICCHECK): TOOL := honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
$(GOVULNCHECK): TOOL := golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
$(ACTIONLINT): TOOL := github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
$(STATICCHECK) $(GOVULNCHECK) $(ACTIONLINT):
	@echo "build $(TOOL)"
	@mkdir -p $(@D)
	@GOTOOLCHAIN=$$($(GO) env GOVERSION) GOBIN=$(CURDIR)/.cache/bin CGO_ENABLED=0 $(GO) install $(TOOL)
	@mv .cache/bin/$(firstword $(subst @, ,$(notdir $(TOOL)))) $@
