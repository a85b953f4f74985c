# make demo    a first look: trains a VAE on snow crystals, leaves pictures in runs/demo
# make test    the whole suite
# make check   lint, format and types
# make docs    the site, in docs/_build/html

PYTHON ?= python3
BIN = .venv/bin

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
	  sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: .venv/installed
	$(BIN)/zoo train vae --data snowflakes --binarize threshold --epochs 15 --batch-size 64 \
	  --learning-rate 0.002 --set filters=16,32,64 --set kl_weight=5.0 \
	  --figures-every 5 --workdir runs/demo

test: .venv/installed
	$(BIN)/python -m pytest

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/docs-installed: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

docs: .venv/docs-installed
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

.PHONY: demo test check docs
