# `make` lists the targets. `make check` is what CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

TOOL := go tool -modfile=tools/go.mod
FUZZTIME ?= 3s
KILLS ?= 200
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64 windows/amd64
# Data that some tests read; where the folder exists none of them may skip.
SHARED ?= ../shared

# Everything is pure Go; only the race detector needs a C compiler.
export CGO_ENABLED := 0

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/rebound.
	go build -trimpath -o bin/rebound ./cmd/rebound

.PHONY: demo
demo: build ## Simulate a retailer, train, decide and show what came of it; SERVE=1 leaves the server running.
	bin/rebound demo $(if $(SERVE),--serve)

.PHONY: test
test: ## Run every test.
	go test -json ./... | $(REPORT)

# Two packages compute for minutes on large data under the race detector: of those, the tests that share memory.
COMPUTE := /(cmd/rebound|models/learner)$$
RACE := CGO_ENABLED=1 go test -race -timeout 20m -json
REPORT := go run ./internal/testlog -shared $(SHARED)

.PHONY: race
race: ## Run the tests under the race detector; needs gcc.
	$(RACE) $$(go list ./... | grep -vE '$(COMPUTE)') | $(REPORT)
	$(RACE) -run 'SameForAnyThreads|BudgetEndsTrials' ./models/learner | $(REPORT)
	$(RACE) -run 'Serve|Decide|Journal|Crash|OnAStore|IngestResumes|Retention' ./cmd/rebound | $(REPORT)

.PHONY: generate
generate: ## Generate Go code and reference pages.
	$(TOOL) buf generate
	$(TOOL) buf build --as-file-descriptor-set -o - | go run ./internal/gen/apidoc > docs/reference/api.md.new
	mv docs/reference/api.md.new docs/reference/api.md
	go run ./internal/gen/features docs/reference/features.md
	go test ./cmd/rebound -run Reference -update

.PHONY: stale
stale: ## Fail if generated files are not what generate makes.
	tools/stale.sh

.PHONY: format
format: ## Format Go and protos.
	$(TOOL) golangci-lint fmt
	$(TOOL) buf format -w

.PHONY: lint
lint: ## Check format, protos and Go code.
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { gofmt -l $$(git ls-files -co --exclude-standard '*.go'); echo "not formatted: run make format"; exit 1; }
	$(TOOL) buf format -d --exit-code > /dev/null || { echo "protos are not formatted: run make format"; exit 1; }
	$(TOOL) buf lint
	tools/breaking.sh
	go vet ./...
	$(TOOL) golangci-lint run

.PHONY: fuzz
fuzz: ## Fuzz every fuzz target for FUZZTIME each.
	tools/fuzz.sh $(FUZZTIME)

.PHONY: crash
crash: ## Kill the server KILLS times at random points under load and reopen its store.
	REBOUND_CRASH_KILLS=$(KILLS) go test -run '^TestCrash$$' -count=1 -timeout 15m -v ./cmd/rebound

.PHONY: cross
cross: ## Build for every platform we ship for.
	@for p in $(PLATFORMS); do echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/rebound; done

.PHONY: bench
bench: ## Measure Decide against an empty echo.
	go run ./bench/decide

CHECKS := stale lint test race fuzz crash cross

.PHONY: check
check: ## Run all that CI runs: stale, lint, test, race, fuzz, crash, cross.
	@for step in $(CHECKS); do \
	  echo "== make $$step"; start=$$SECONDS; \
	  $(MAKE) --no-print-directory $$step || exit 1; \
	  echo "== make $$step: $$((SECONDS - start)) s"; \
	done

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin dist
