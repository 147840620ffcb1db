# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test families lint figures setup clean

demo: setup  ## Compare the methods on the bundled benchmark; ends by naming the report.
	$(BIN)/anchorline compare --out runs/demo

test: setup  ## The whole test suite, in two processes of one thread each.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

families: setup  ## Every method over every family of encoders, five minutes or so.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/families --all-cells -n 2 --dist loadgroup

lint: setup  ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: setup  ## Every figure of README and docs anew (docs/report.png needs chromium).
	$(BIN)/python scripts/figures.py

setup: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv: torch and what else pyproject.toml names, up to 7 GB, some minutes …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf .venv dist runs .pytest_cache .ruff_cache .mypy_cache
