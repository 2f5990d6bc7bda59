# Makefile: short names for what meson and tools/ do.
# SPDX-License-Identifier: Apache-2.0

MAKEFLAGS += --no-print-directory
CLANG_FORMAT = $(shell command -v clang-format-14 || echo clang-format)
CLANG = $(shell command -v clang-14 || command -v clang)
# A header may have small functions that a program does not use.
HEADER_FLAGS = -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -Iinclude
C_FILES = $(shell find src include sim test bench examples -name '*.[ch]' 2>/dev/null)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
QUORATE_ROUNDS ?= 40
QUORATE_MEMBERS ?= 50

.DEFAULT_GOAL := all
.PHONY: abi all asan bench bench-embed bench-failover bench-swim check check-docs check-format \
	check-headers check-includes check-site check-style clean deb debug demo deps deps-build deps-ci \
	deps-package deps-test dev docs format fuzz help install members model mutants rounds scenarios \
	sim sweeps symbols test tsan

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | sort | expand -t 16

all: deps-build ## build the program: build/quorate
	@tools/build.sh release quorate libraries
	@cp -f build/release/quorate build/quorate

debug: deps-test ## build with assertions on every step, without optimization: build/debug
	@tools/build.sh debug

asan: deps-ci ## run unit and scenario tests under AddressSanitizer and UBSan
	@tools/test.sh asan --suite unit --suite scenario

tsan: deps-test ## run the tests of whatever has threads under ThreadSanitizer
	@tools/test.sh tsan --suite threads

sim: all ## run 2,000 simulated clusters with every fault
	@./build/quorate sim --first-seed 1 --seeds 2000

model: deps-test ## explore every order of events of small clusters, within their bounds
	@tools/build.sh release sim/model/quorate_model
	@build/release/sim/model/quorate_model all

mutants: deps-test ## let each seeded bug loose, and show what catches it
	@tools/mutants.sh

deps: ## install the packages that building and testing need (Debian, by apt-get)
	@tools/deps.sh install build test

deps-build:
	@tools/deps.sh install build

deps-test:
	@tools/deps.sh install build test

deps-package:
	@tools/deps.sh install build package

deps-ci:
	@tools/deps.sh install build test ci

deps-docs:
	@tools/deps.sh install docs

deps-browser:
	@tools/deps.sh install docs browser

demo: all ## start a cluster, kill its leader, show and verify what happened
	@./build/quorate demo

dev: all ## run a local cluster in this terminal
	@./build/quorate dev

test: deps-test ## build and run all tests
	@tools/test.sh release

sweeps: deps-test ## run every case of the sweeps, of which `make test` takes a sample
	@SWEEP=full tools/test.sh release --verbose --timeout-multiplier 0 \
		kv_snapshot sweep_cluster sweep_damage sweep_subsets

rounds: deps-test ## change members, kill and pause real nodes for QUORATE_ROUNDS (40) rounds
	@QUORATE_ROUNDS=$(QUORATE_ROUNDS) tools/test.sh release --verbose --timeout-multiplier 0 \
		change_rounds kill_rounds_3 kill_rounds_5

members: deps-test ## kill and restart QUORATE_MEMBERS (50) real members, and count their packets
	@QUORATE_MEMBERS=$(QUORATE_MEMBERS) tools/test.sh release --verbose --timeout-multiplier 0 \
		swim_many

check: ## run all checks of the source; all of them, also when one fails
	@$(MAKE) --keep-going check-format check-headers check-includes check-style check-docs symbols

abi: deps-build ## record what programs that are linked with libquorate rely on
	@tools/build.sh release libraries
	@python3 tools/abi.py renew build/release cc

check-format: deps-ci ## check the format of the source
	@$(CLANG_FORMAT) --dry-run --Werror $(C_FILES) && echo "format: $(words $(C_FILES)) files"

check-includes: deps-build ## check who includes whom
	@python3 tools/check_includes.py

check-headers: deps-ci ## compile each public header alone, as C and as C++
	@for header in include/quorate/*.h; do \
		$(CLANG) -x c -std=c11 $(HEADER_FLAGS) $$header && \
		$(CLANG) -x c++ -std=c++11 $(HEADER_FLAGS) $$header || exit 1; \
	done && echo "headers: $(words $(wildcard include/quorate/*.h)), alone, as C and as C++"

check-style: deps-build ## check bans, lengths, file heads and docstrings
	@python3 tools/check_style.py

check-docs: deps-ci ## check the links, commands and tables in the documents, and the manual
	@tools/check_docs.sh
	@python3 tools/check_wire_format.py
	@python3 tools/check_known_bugs.py
	@python3 tools/check_simulator.py
	@python3 tools/check_pages.py
	@python3 tools/pictures.py --check
	@python3 tools/man_pages.py check

docs: deps-build deps-docs ## make a site of the documents, with search: build/site
	@tools/build.sh release quorate
	@python3 tools/site/build.py build/site
	@python3 tools/site/check.py build/site --links

check-site: deps-build deps-browser ## read that site in a real browser: every page, search, keys, phone, dark
	@tools/build.sh release quorate
	@python3 tools/site/build.py build/site
	@python3 tools/site/check.py build/site

symbols: deps-ci ## prove by the linker that the pure folders and the simulator touch nothing outside
	@tools/check_symbols.sh

format: deps-ci ## format the source
	@$(CLANG_FORMAT) -i $(C_FILES)

fuzz: deps-ci ## fuzz every decoder for FUZZ_SECONDS (600) each, on all cores
	@tools/fuzz.sh $(FUZZ_SECONDS)

scenarios: deps-test ## write the expected output of all scenarios anew
	@tools/build.sh release
	@build/release/test/scenario/scenario_runner --rewrite test/scenario/data/*.txt

bench: deps-test ## run the benchmarks; each prints a table
	@tools/build.sh release
	@meson test -C build/release --no-rebuild --benchmark --verbose

bench-failover: all ## 100 killed leaders with SWIM's hints and 100 without: how long a writer waits
	@bench/failover --quorate build/release/quorate

bench-embed: deps-test ## the engine inside a program, beside libraft where libraft-dev is installed
	@tools/build.sh release bench/quorate_node bench/floor
	@! pkg-config --exists raft || tools/build.sh release bench/libraft_node
	@bench/embedded

bench-swim: all ## what is promised of 10, 20 and 50 real members, measured: about 100 minutes
	@bench/swim all --quorate build/release/quorate

deb: deps-package ## build the Debian packages of what is built: build/deb
	@tools/deb.sh

check-package: deb ## try the packages in a clean root, as somebody new does (as root)
	@python3 tools/check_package.py

install: all ## install under PREFIX (/usr/local), within DESTDIR if that is set
	@meson configure build/release --prefix=$(PREFIX)
	@meson install -C build/release --quiet

clean: ## remove all that was built
	rm -rf build
