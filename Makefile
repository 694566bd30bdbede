# The commands of this repository. Each does its whole job or fails and says why.
GO      ?= go
export CGO_ENABLED ?= 0
VERSION ?= $(shell packaging/version.sh 2>/dev/null)
LDFLAGS  = -s -w $(if $(VERSION),-X github.com/codedeploy-wingman/wingman/agent/cli.linked=$(VERSION))

.PHONY: build demo test race soak lint bench package reproducible fuzz cover clean

build: ## bin/wingman and the demo's application
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/wingman ./cmd/wingman
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/hello ./agent/rehearsal/app

demo: build ## a whole blue/green deployment of this repository's own revision, on simulated AWS
	bin/wingman rehearse .

test: build ## everything that can be tested on this machine
	$(GO) vet ./...
	$(GO) test ./...

race: build ## the tests with the race detector (needs a C compiler); packaging/test runs what is built without it
	CGO_ENABLED=1 $(GO) test -race ./agent/... ./cmd/... ./hooks/...

N ?= 1000
soak: ## N upsets of service, systemd and clients at random moments while hooks run, on a real systemd (about half a second each)
	WINGMAN_SOAK=$(N) $(GO) test -count=1 -v -run 'TestSoak$$' -timeout 24h ./packaging/test

lint: ## formatting, vet on three systems, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@if command -v shellcheck >/dev/null; then shellcheck hooks/*.sh .ci/run $$(git ls-files 'packaging/*.sh' 'packaging/scripts/*'); \
	  elif [ -n "$$CI" ]; then echo "shellcheck is not installed" >&2; exit 1; else echo "skipped: shellcheck is not installed"; fi

bench: build ## what a hook costs beside the script alone, and the guard beside the AWS CLI
	$(GO) test -run '^$$' -bench Hook -benchtime 200x ./agent/cli
	$(GO) test -run '^$$' -bench Guard -benchtime 3x ./agent/cli

FUZZTIME ?= 60s
fuzz: ## each parser's fuzz target, FUZZTIME each (without a bound Go spends nearly all of it on minimizing)
	@set -e; for f in $$(grep -lE '^func Fuzz' $$(git ls-files '*_test.go')); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\).*/\1/p' $$f); do \
	    echo "$$t ($$(dirname $$f))"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$f); done; done

cover: ## statement coverage of the parts that decide
	$(GO) test -cover ./agent/appspec ./agent/plan ./agent/proc ./agent/run ./agent/check ./agent/journal ./agent/guard ./agent/cloud

package: ## dist/: .deb and .rpm for amd64 and arm64, SSM Distributor's zips and manifest, SHA256SUMS
	VERSION='$(VERSION)' packaging/package.sh

reproducible: ## the last commit's packages, built twice in two clones, are the same to the byte
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; for n in one another; do \
	  git clone -q --no-local . "$$dir/$$n"; DIST="$$dir/dist-$$n" "$$dir/$$n/packaging/package.sh" >/dev/null; done; \
	cmp "$$dir/dist-one/SHA256SUMS" "$$dir/dist-another/SHA256SUMS"; cat "$$dir/dist-one/SHA256SUMS"

clean:
	rm -rf bin dist
