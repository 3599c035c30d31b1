# mseg: a language for experiments in medical image segmentation.
#
# Everything is made from a clean checkout: Go 1.26 and, for what is fetched, python3 with pip. Nothing else is expected on the machine.

# The go backend multiplies matrices with vector instructions when it is built with this experiment (amd64 only; without effect elsewhere).
export GOEXPERIMENT := simd

MSEG := bin/mseg
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help build demo test clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

build: ## build the program: bin/mseg
	@mkdir -p bin
	go build -buildvcs=false -o $(MSEG) ./cmd/mseg

# The demo works offline as well: without the plugin on the go backend, without the images on generated ones; the report says which.
demo: build ## run examples/first.mseg on real images; the last line is the path of the report
	@$(MSEG) backend install cpu || echo "demo: the XLA plugin cannot be had, so the go backend is used: expect some 20 minutes instead of 5"
	@data=$$($(MSEG) data get radiomics --or-phantom bin/phantoms) && $(MSEG) run examples/first.mseg --data "$$data"

test: ## check formatting, vet, and run the whole test suite
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w):" $$unformatted; exit 1; fi
	go vet ./...
	go run -buildvcs=false ./cmd/mseg fmt --check examples stdlib
	go test -timeout 20m ./...

clean: ## remove what build and demo made; caches in the home directory stay
	rm -rf bin examples/.mseg examples/*.out
