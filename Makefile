# carprice: `make help` lists every target. Everything happens in .venv, made from requirements.lock.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Nothing calls home.
export DO_NOT_TRACK := true
export ITERATIVE_DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export EVIDENTLY_DISABLE_TELEMETRY := 1
export HF_HUB_OFFLINE := 1
export UV_COMPILE_BYTECODE := 1
export UV_NO_PROGRESS := 1

.DEFAULT_GOAL := help
.PHONY: help install repro serve space test soak monotonicity bench peers flow hooks lab mlflow export check coverage mutants extras sizes pictures compare comment propose docs images sbom push hub blueprint render lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(READY): requirements.lock settings.ini setup.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "carprice needs Python 3.11, 3.12 or 3.13, and this is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what requirements.lock pins into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(READY)

install: $(READY)  ## make .venv from requirements.lock

# Files without git, as from a ZIP, are enough for a run: DVC is told so, and told again when git has come.
IN_GIT := git rev-parse --is-inside-work-tree >/dev/null 2>&1
SCM := if $(IN_GIT); then ! grep -qs no_scm .dvc/config.local || dvc config --local --unset core.no_scm; \
  else grep -qs no_scm .dvc/config.local || dvc config --local core.no_scm true; fi

repro: $(READY)  ## run the pipeline and print the results (DATASET=cardekho, cardekho_v3, uk or your own; demo at first)
	@$(if $(DATASET),carprice datasets use $(DATASET))
	@$(SCM)
	@dvc status --quiet 2>/dev/null || dvc repro || { carprice repair-lock 2>/dev/null && dvc repro; }  # where nothing changed, DVC sees that sooner by its status
	@python -m carprice_lib.evaluation.summary

serve: $(READY)  ## open the page and the API of the promoted model, at 127.0.0.1:7860
	@carprice serve

space: $(READY)  ## fill build/space with a Hugging Face Space of the promoted model
	@carprice space

# One process more than there are cores, since tests often wait for what they started.
test: $(READY)  ## run every test, long ones as a sample, on each core (one notebook's: pytest -k hedonic)
	@pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 4 --dist loadscope --no-loadscope-reorder

soak: $(READY)  ## run the long tests in full (kills, reloads, hostile requests, whole runs of every README command and of the newest tag, both images built and run, both ends of the requirements, the fast tests with Python 3.13): two hours or three
	@CARPRICE_SOAK=1 pytest tests/test_crash_recovery.py tests/test_retrain.py tests/test_api.py tests/test_readme.py tests/test_reproducibility.py tests/test_reader.py tests/test_wild.py tests/test_fuzz.py tests/test_images.py tests/test_package.py tests/test_delivery.py tests/test_python313.py tests/test_docs.py

monotonicity: $(READY)  ## count, over ten million random pairs of cars, prices and ranges that rise with wear (some four minutes)
	@carprice check-monotonicity --n-pairs 10000000

# The peers need an older pandas, so they have an environment of their own, beside their results in build/. PyTorch's CPU build (192 MB)
# comes from the folder of wheels that PIP_FIND_LINKS names, where there is one, else from PyTorch's own index.
PEER_ENV := build/peers/.ready
TORCH := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--torch-backend cpu)
$(PEER_ENV): nbs/benchmarks/peers.lock $(READY)
	@echo "installing the peers, AutoGluon among them, into build/peers (some 2.5 GB)"
	@test -x build/peers/bin/python || $(PYTHON) -m venv build/peers
	@uv pip sync --quiet --python build/peers/bin/python $(TORCH) nbs/benchmarks/peers.lock
	@touch $(PEER_ENV)

peers: $(READY)  ## pin the benchmark's peers anew
	@uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --no-emit-index-url --no-emit-find-links \
	  --no-emit-package torchvision --no-annotate --custom-compile-command "make peers" $(TORCH) nbs/benchmarks/peers.in -o nbs/benchmarks/peers.lock
	@sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' nbs/benchmarks/peers.lock

asked = $(foreach option,ONLY HOURS SETS PEERS SEEDS THREADS,$(if $($(option)),--$(shell echo $(option) | tr A-Z a-z) $($(option))))
bench: $(PEER_ENV)  ## the model beside its peers, and its costs: days on two cores, from nothing (QUICK=1: minutes; HOURS=2: no more; ONLY=peers SETS=uk PEERS=ebm SEEDS=1: a piece); a run that is cut off carries on
	@carprice benchmark $(if $(QUICK),--quick) $(asked)

# Prefect pins packages older than ours, so it has an environment of its own, and speaks to the project through the `carprice` command.
PREFECT_ENV := build/prefect/.ready
PREFECT_PORT ?= 4200
PREFECT := PREFECT_API_URL=http://127.0.0.1:$(PREFECT_PORT)/api PREFECT_HOME="$(CURDIR)/build/prefect/home" PREFECT_SERVER_ANALYTICS_ENABLED=false
$(PREFECT_ENV): settings.ini $(READY)
	@test -x build/prefect/bin/python || $(PYTHON) -m venv build/prefect
	@uv pip install --quiet --python build/prefect/bin/python "$$(sed -n 's/^prefect_requirements = //p' settings.ini)"
	@touch $(PREFECT_ENV)

# The flow is stopped before its server, whose answer it waits for; `timeout` gives each 20 seconds to end, and keeps the keyboard's signals from it.
flow: $(PREFECT_ENV)  ## once a day with Prefect: monitor, retrain where an alert asks for it, see that the service follows; its page at 127.0.0.1:4200 (PREFECT_PORT)
	@export $(PREFECT) PYTHONPATH="$(CURDIR)"; \
	timeout --kill-after=20 0 build/prefect/bin/prefect server start --host 127.0.0.1 --port $(PREFECT_PORT) & server=$$!; \
	timeout --kill-after=20 0 build/prefect/bin/python -m carprice_lib.orchestration.prefect_flow & flow=$$!; \
	trap 'trap "" INT TERM; for job in $$flow $$server; do kill $$job 2>/dev/null; wait $$job; done' EXIT; trap exit INT TERM; wait -n

# The hooks help git merge and show a notebook. They live in .venv, not in the user's home; what Jupyter saves, `lab` cleans.
HOOKS := $(VENV)/hooks/.jupyter
UNFIT := "@jupyterlab/apputils-extension:announcements" jupyterlab-plotly nbdime-jupyterlab
$(HOOKS): $(READY) Makefile
	@mkdir -p $(VENV)/hooks
	@jupyter labextension disable --level=sys_prefix $(UNFIT) 2>/dev/null
	@! $(IN_GIT) || { HOME="$(CURDIR)/$(VENV)/hooks" nbdev_install_hooks >/dev/null && git-nbdiffdriver config --enable && touch $(HOOKS); }

hooks: $(HOOKS)  ## let git clean, merge and show notebooks, and check each commit
	@$(IN_GIT) || { echo "hooks are git's, and this folder is not under git: git init makes it so" >&2; exit 1; }
	@pre-commit install >/dev/null
	@echo "git merges notebooks cell by cell, shows them with nbdiff, and checks what a commit touches"

# Downloads tell their progress in text, so that nobody needs the widgets that tqdm asks for.
lab: $(HOOKS)  ## open JupyterLab on the start notebook, nbs/start.ipynb, with the kernel and the hooks set (LAB="--no-browser --port=8889" for options)
	@cd nbs && PYTHONWARNINGS="ignore:IProgress not found" python -m carprice_lib.cpu_dispatch jupyter lab --LabApp.default_url=/lab/tree/start.ipynb \
	  --ServerApp.jpserver_extensions="carprice_lib._dev.lab=True" --KernelManager.transport_encryption=auto $(LAB)

# MLflow's jobs (judges of traces and the like) would keep eight further processes (1.4 GB) waiting for work that never comes.
mlflow: $(READY)  ## open MLflow's page on the runs, at 127.0.0.1:5000
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --workers 1 --host 127.0.0.1 --port 5000 --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}"

export: $(READY)  ## lay the notebooks out, clean them, and write library, tests and README from them
	@ruff format --quiet nbs
	@nbdev_export
	@python -m carprice_lib._dev.publish
	@nbdev_clean

check: $(READY)  ## notebooks clean, library, tests and README in step with them, lint, format, types, workflows, deployment
	@python -m carprice_lib._dev.publish --check
	@ruff check
	@ruff format --check --quiet
	@mypy
	@lint-imports --no-logo
	@actionlint
	@check-jsonschema -q --builtin-schema vendor.compose-spec deploy/compose.yaml deploy/compose.stores.yaml deploy/compose.scale.yaml
	@check-jsonschema -q --builtin-schema vendor.renovate .github/renovate.json
	@kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml
	@pre-commit validate-config

coverage: $(READY)  ## which lines of the exported library the notebooks prove (90 % at least); pages in build/coverage
	@coverage erase
	@for notebook in $$(find nbs -name "[0-9]*.ipynb" | sort); do coverage run -m carprice_lib._dev.proof $$notebook || exit 1; done
	@coverage combine --quiet
	@coverage html --quiet --directory build/coverage
	@coverage report

mutants: $(READY)  ## put faults into the library, and see whether the examples notice them (ONLY=monitoring or ONLY=monitoring.alerts; MOST=20 in a module; AGAIN=1: what survived)
	@python -m carprice_lib.cpu_dispatch python -m carprice_lib._dev.mutation $(ONLY) $(if $(MOST),--most $(MOST)) $(if $(AGAIN),--again)

extras: $(READY)  ## count what each extra of the package brings, for the README's table
	@python -m carprice_lib._dev.results extras && python -m carprice_lib._dev.results renew

sizes: $(READY)  ## keep the sizes of the images that `make soak` built, for the README
	@python -m carprice_lib._dev.results images && python -m carprice_lib._dev.results renew

pictures: $(READY)  ## take the README's pictures anew, from the run whose results are in git (Chromium)
	@python -m carprice_lib._dev.screenshots

# Delivery, as the workflows in .github/workflows call it. Where a secret is missing, a line says so and nothing is sent.
IMAGE ?= carprice
NAMED = $(shell echo $(IMAGE) | tr A-Z a-z)
TAG ?= $(shell git describe --tags --always)
BASE ?= origin/main
lacks = { test -z "$$$(1)" && echo "$(1) is not set: $(2)"; }

compare: $(READY)  ## metrics, parameters and plots of this folder beside those of BASE (origin/main)
	@mkdir -p build
	@set -o pipefail; python -m carprice_lib._dev.results compare $(BASE) | tee build/compare.md

comment: compare  ## put what `compare` says into the pull request PR (GH_TOKEN)
	@$(call lacks,GH_TOKEN,no comment is written) || gh pr comment "$$PR" --body-file build/compare.md --edit-last --create-if-none

propose: $(READY)  ## put new results on the branch `retrained`, and open a pull request (GH_TOKEN)
	@python -m carprice_lib._dev.results renew
	@python -m carprice_lib._dev.publish
	@if git diff --quiet; then echo "The results are those in git: nothing to propose"; else \
	  git switch --quiet --force-create retrained && git commit --quiet --all --message "Retrained: new dvc.lock and metrics" && \
	  python -m carprice_lib._dev.results compare HEAD~1 > build/compare.md && git push --quiet --force origin retrained && \
	  { $(call lacks,GH_TOKEN,open a pull request of the branch retrained yourself) || gh pr edit retrained --body-file build/compare.md || \
	    gh pr create --head retrained --title "Retrained" --body-file build/compare.md; }; fi

docs: $(READY)  ## make the documentation with the report of the run in build/site: guides, every notebook as it ran, the API (minutes at first; then what changed)
	@test -f reports/index.html || $(MAKE) --no-print-directory repro
	@python -m carprice_lib._dev.docs

images: $(READY)  ## build the images of the service, with the promoted model, and of training
	@docker build -f deploy/Dockerfile.api --build-arg COMMIT="$$(git rev-parse HEAD)" -t $(NAMED)-api:$(TAG) .
	@docker build -f deploy/Dockerfile.training --build-arg COMMIT="$$(git rev-parse HEAD)" -t $(NAMED)-training:$(TAG) .

# The environments are made by the very lines of the Dockerfiles, and kept no longer than it takes to list them.
MADE = s/^RUN .*(python -m venv .*)$$/\1/p; s/^RUN .*(uv pip install --python .*)$$/\1/p
HERE = s,uv pip install,& --quiet,; s,/srv/venv,build/sbom/$$image,; s, -r requirements.txt, -r deploy/requirements.txt,; s,([^e]) \.$$,\1 -e .,
sbom: $(READY)  ## list the Python packages of both images as CycloneDX, in build/sbom (those of Debian are in the base image's own list)
	@rm -rf build/sbom && mkdir -p build/sbom
	@for image in api training; do \
	  sed -nE '$(MADE)' deploy/Dockerfile.$$image | sed -E "$(HERE)" | UV_COMPILE_BYTECODE=0 bash -e -o pipefail && \
	  cyclonedx-py environment build/sbom/$$image --output-reproducible -o build/sbom/carprice-$$image.cdx.json && \
	  rm -rf build/sbom/$$image || exit 1; done

push: $(READY)  ## push both images to the registry that IMAGE names (REGISTRY_TOKEN of REGISTRY_USER); a workflow is told their digests
	@$(call lacks,REGISTRY_TOKEN,no image is pushed) || { \
	  echo "$$REGISTRY_TOKEN" | docker login "$(firstword $(subst /, ,$(NAMED)))" --username "$$REGISTRY_USER" --password-stdin && \
	  for image in api training; do docker push $(NAMED)-$$image:$(TAG) && \
	    pushed=$$(docker image inspect --format '{{index .RepoDigests 0}}' $(NAMED)-$$image:$(TAG)) && \
	    printf '%s\n' $${image}_name=$${pushed%@*} $${image}_digest=$${pushed#*@} >> "$${GITHUB_OUTPUT:-/dev/null}" || exit 1; done; }

hub: $(READY)  ## push build/space to the Space HF_SPACE (HF_TOKEN)
	@$(call lacks,HF_TOKEN,the Space stays as it is) || $(call lacks,HF_SPACE,the Space stays as it is) || \
	  HF_HUB_OFFLINE=0 hf upload "$$HF_SPACE" build/space . --repo-type space --delete "*" --commit-message "$(TAG)"

blueprint: $(READY)  ## check deploy/render.yaml against the schema that Render publishes (no package carries it)
	@check-jsonschema --schemafile https://render.com/schema/render.yaml.json deploy/render.yaml

render: $(READY)  ## have Render run the image of the API that was pushed (RENDER_HOOK, an address)
	@$(call lacks,RENDER_HOOK,Render stays as it is) || { echo "url = \"$$RENDER_HOOK\"" | \
	  curl --fail --silent --show-error --retry 3 --request POST --output /dev/null --url-query imgURL=$(NAMED)-api:$(TAG) --config - && \
	  echo "Render deploys $(NAMED)-api:$(TAG)"; }

lock: $(READY)  ## pin every dependency, and keep the pins that still fit (UPGRADE=1: the newest of each)
	@uv pip compile $(if $(UPGRADE),--upgrade) --quiet --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock" --all-extras pyproject.toml -o requirements.lock

clean: ## remove what runs made, but no results and no data
	@rm -rf build/[!bp]* dist .pytest_cache .hypothesis .ruff_cache .mypy_cache .coverage*
