# Every target installs what it needs; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s
WAY ?= dual
PKG ?= ./...
KILLS ?= 200

# Go may stand outside PATH, and one that is too old fetches go.mod's version.
export PATH := $(PATH):/usr/local/go/bin:/usr/lib/go-1.23/bin
export GOTOOLCHAIN ?= auto

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

# A test that hangs must end, but hosts of the lab are one at a time: packages
# wait for each other.
TESTFLAGS ?= -race -timeout 45m

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole move, in the lab, from init to finish (WAY=dual or fence)
	@scripts/deps demo
	@$(MAKE) --no-print-directory build
	@bin/lab demo --way $(WAY)

.PHONY: demo-clean
demo-clean: build ## remove every host, mount and namespace of the lab
	@bin/lab clean

.PHONY: lab
lab: ## a lab that stays up, to try migrate by hand
	@scripts/deps demo
	@$(MAKE) --no-print-directory build
	@bin/lab up

.PHONY: build
build: ## bin/migrate and bin/lab
	@mkdir -p bin
	@$(BUILD) -o bin/ ./cmd/migrate ./cmd/lab

.PHONY: test
test: ## everything: units, real servers, the lab end to end (PKG=./dns/... for a part)
	@scripts/deps test
	@PKG="$(PKG)" scripts/test $(TESTFLAGS)

.PHONY: fresh
fresh: ## make demo and make test as on a new machine: a bare Debian 12, made for it
	@scripts/fresh 'make demo' 'make test'

.PHONY: crash
crash: ## KILLS (200) random rounds of seed, links and switches, and KILLS kills of seeds: tool, servers, connections
	@scripts/deps test
	@MIGRATE_TEST_SEED_KILLS=$$(( ($(KILLS) + 1) / 2 )) CI=true go test ./replication/seed -run '^TestSeedSurvivesKills$$' -count 1 -timeout 2h -v \
		| grep -E 'ended|^ *---|^(ok|FAIL|PASS)'
	@MIGRATE_ENEMY_SEED=$${MIGRATE_ENEMY_SEED:-random} MIGRATE_ENEMY_ROUNDS=$$(( ($(KILLS) + 1) / 2 )) CI=true \
		go test ./replication/enemy -run '^TestEnemy$$' -count 1 -timeout 4h -v

.PHONY: lint
lint: ## gofmt, go vet, golangci-lint
	@scripts/check
	@go run $(GOLANGCI) run $(PKG)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## what the project promises of speed and size, one `figure` line each
	@scripts/bench

.PHONY: bench-deps
bench-deps: ## installs what bench measures against
	@scripts/deps bench

.PHONY: golden
golden: ## write the golden files anew; then read the diff
	@packages=$$(grep -rl 'flag.Bool("update"' --include='*_test.go' . | xargs -rn1 dirname | sort -u); \
	go test -count=1 $$packages -update

.PHONY: package
package: build ## a Debian package in dist/
	@VERSION="$(VERSION)" scripts/package "$(NFPM)"

.PHONY: deps
deps: ## install what the targets need (root, Debian 12)
	@scripts/deps test
