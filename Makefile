# Plain POSIX make. PYTHON=python3.12 chooses the interpreter of a new .venv; by default tools/find_python.sh does.

VENV = .venv
INSTALLED = $(VENV)/.installed
# What pip is told about NumPy: nothing, so that it takes the newest.
NUMPY =
# What the tests run with. Where `fast` is missing there is no machine code, and NumPy does everything.
EXTRAS = train,test,fast

# What PyTorch's own sample inputs, its op_db, need.
OP_DB = "expecttest>=0.3"

# The programs of a virtual environment are in bin, on Windows in Scripts.
IN_VENV = PATH="$$PWD/$(VENV)/bin:$$PWD/$(VENV)/Scripts:$$PATH"
# One worker per core, at most four.
PYTEST = python -m pytest --numprocesses auto --maxprocesses 4

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

train: $(INSTALLED)-train ## train LeNet-5 on the bundled digits; the result is a new folder in runs/
	@$(IN_VENV) sevenloops train --model lenet5 --data digits

train-mnist: $(INSTALLED)-test ## LeNet-5 on all of MNIST (SEVENLOOPS_DATA names its folder's parent), two epochs, at least 98.5 %
	$(IN_VENV) python -m pytest -m slow -rs --capture=no tests/slow/test_mnist.py

test: $(INSTALLED)-test ## the tests, doctests included
	@$(IN_VENV) python -c "import numpy, sys; print('Python', sys.version.split()[0], 'with NumPy', numpy.__version__)"
	$(IN_VENV) $(PYTEST)

test-kills: $(INSTALLED)-test ## a training run that is killed at a hundred random moments, and resumed each time
	$(IN_VENV) python -m pytest -m slow --capture=no tests/cli/test_resume.py

test-peers: $(INSTALLED)-peers ## compare with PyTorch (installs its CPU build)
	$(IN_VENV) $(PYTEST) -m peers

test-oldest: ## the tests with the oldest NumPy that is supported, and without machine code
	$(MAKE) VENV=.venv-oldest NUMPY="--requirement tools/oldest.txt" EXTRAS=train,test test

# What depends on the processor. The cache, the threads and three quarters of the random cases do not.
test-targets: $(INSTALLED)-test ## the tests of machine code for processors without AVX-512, and without AVX
	set -e; for target in avx2 baseline; do \
	    SEVENLOOPS_TARGET=$$target $(IN_VENV) $(PYTEST) tests/jit tests/conv \
	        -k "(jit or direct) and not (test_compiler or test_pool.py or part1 or part2 or part3)"; \
	done

test-newest: ## the tests with the newest Python that is found
	sh tools/pythons.sh newest

test-pythons: ## the tests with every newer Python that is found (python3.12 and so on, or from pyenv)
	sh tools/pythons.sh

lint: $(INSTALLED)-lint ## ruff: rules and format
	$(IN_VENV) python -m ruff check .
	$(IN_VENV) python -m ruff format --check .

types: $(INSTALLED)-lint ## mypy, strict
	$(IN_VENV) python -m mypy

layers: $(INSTALLED)-lint ## which module may import which (import-linter)
	$(IN_VENV) lint-imports --no-logo

wheel: $(INSTALLED)-lint ## build wheel and sdist into dist/, install them with NumPy alone, use them
	$(IN_VENV) python tools/check_wheel.py

bench: $(INSTALLED)-test ## run the benchmarks; results in benchmarks/results/
	set -e; for script in $$(grep -l __main__ benchmarks/*.py); do $(IN_VENV) python "$$script"; done

venv: $(INSTALLED)-lint

clean: ## remove environments, caches and builds; runs/ stays
	rm -rf .venv .venv-* build dist src/*.egg-info
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Each stamp says what has been installed since pyproject.toml changed.

$(INSTALLED)-train: pyproject.toml
	@PYTHON="$(PYTHON)" sh tools/venv.sh $(VENV) --editable ".[train]"
	@touch $@

$(INSTALLED)-test: pyproject.toml
	@PYTHON="$(PYTHON)" sh tools/venv.sh $(VENV) --editable ".[$(EXTRAS)]" $(NUMPY)
	@touch $@

$(INSTALLED)-lint: pyproject.toml
	@PYTHON="$(PYTHON)" sh tools/venv.sh $(VENV) --editable ".[train,test,lint]"
	@touch $@

# Where packages are served as PyTorch itself serves them, its CPU build has a version of its own; elsewhere there
# is the plain one.
$(INSTALLED)-peers: $(INSTALLED)-test
	@sh tools/venv.sh $(VENV) "torch==2.13.0+cpu" $(OP_DB) 2>/dev/null || sh tools/venv.sh $(VENV) "torch>=2.6" $(OP_DB)
	@touch $@

.NOTPARALLEL:
.PHONY: help train train-mnist test test-kills test-peers test-oldest test-targets test-newest test-pythons lint types layers wheel bench venv clean
