# make run    sets up .venv and trains on the embedded phantom films through notebook 04 (under five minutes after setup)
# make run FILMS=folder CLASS=abnormal PRESET=recommended MINUTES=20   the same on your films (or EPOCHS=20)
# make lab    opens the start page         make test   sets up and passes the tests
# make course writes the notebooks of the course from notebooks/masters
# make bench  measures                     make clean  removes the environment and caches, never your runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FILMS ?= phantom:normal
PRESET ?= laptop
CLASS ?=
EPOCHS ?= 0
MINUTES ?= 0
SEED ?= 0
OUT ?=
# more fields, such as SET="batch_size=4 blur=true"
SET ?=
# more options of JupyterLab, such as LAB="--no-browser --port=8900"
LAB ?=

.PHONY: run lab course test bench clean setup
.DEFAULT_GOAL := run

run: setup
	@$(BIN)/idcgan run "$(FILMS)" --preset "$(PRESET)" --class "$(CLASS)" --epochs $(EPOCHS) --minutes $(MINUTES) --seed $(SEED) $(if $(OUT),--out "$(OUT)") $(foreach field,$(SET),--set "$(field)")

# notebooks/.jupyter has JupyterLab's defaults here: it asks nothing of the network. Your own settings go before them.
lab: setup
	JUPYTER_CONFIG_PATH="$(CURDIR)/notebooks/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(BIN)/jupyter lab "$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB)

# the copies for students and with solutions, from notebooks/masters
course: setup
	$(BIN)/python notebooks/masters/build.py

test: setup
	$(BIN)/ruff check .
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
	IDCGAN_TINY=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --nbval-lax --nbval-cell-timeout=120 -p no:cacheprovider --ignore=notebooks/solutions notebooks

# FILMS and HELD_OUT, both folders, for growing.py on films of yours
bench: setup
	for part in step where_time_goes data sampling scaling precision layers waiting borrowed; do $(BIN)/python benchmarks/$$part.py $(if $(QUICK),--quick) || exit 1; done
	$(BIN)/python benchmarks/growing.py $(if $(QUICK),--quick) $(if $(HELD_OUT),--films "$(FILMS)" --held-out "$(HELD_OUT)")

setup: $(VENV)/ready

# made again when the packages asked for change
$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "setting up $(VENV): a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,dicom]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
