# The commands of this repository. Each does its whole job or fails and says why.
GO ?= go
export CGO_ENABLED ?= 0

.PHONY: build demo test race lint bench package fuzz

test: ## everything that can be tested on this machine
	$(GO) vet ./...
	$(GO) test ./...

race: ## the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race ./...

lint: ## formatting, vet on three systems, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

FUZZTIME ?= 60s
fuzz: ## each parser's fuzz target, FUZZTIME each
	@set -e; for f in $$(grep -lE '^func Fuzz' $$(git ls-files '*_test.go')); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$f); do \
	    echo "$$t ($$(dirname $$f))"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); done; done

build demo bench package:
	@echo "make $@: not there yet: see CHANGELOG.md" >&2; exit 1
