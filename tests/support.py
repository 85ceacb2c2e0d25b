"""What tests share beside fixtures: clean clones of the project, commands with a time limit, comparisons of what a run left."""

import contextlib
import difflib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest

from carprice_lib._dev.publish import copy_project

ROOT = Path(__file__).resolve().parent.parent
COROLLA = {
    "brand": "Toyota",
    "model": "Corolla",
    "year": 2018,
    "km_driven": 45000,
    "fuel": "Petrol",
    "transmission": "Manual",
    "owner": "First Owner",
}
PASSWORD = "any/c@r:acter #1%"

# Nothing calls home, and nothing of the user's is read or written: not the home folder, not DVC's cache of states.
QUIET = {
    "DO_NOT_TRACK": "true",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "EVIDENTLY_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_COLOR": "1",
    "COLUMNS": "200",
    "PYTHONUNBUFFERED": "1",
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}
OURS = ("CARPRICE_", "MLFLOW_", "JUPYTER_", "DVC_", "PYTEST_", "MAKE", "MFLAGS", "GIT_", "VIRTUAL_ENV", "PYTHONPATH")


def end(process, sig=signal.SIGKILL):
    "End a process that a test started, with all that it started in turn."
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    if process.poll() is None:
        process.send_signal(sig)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    for p in psutil.wait_procs(family, timeout=0 if sig == signal.SIGKILL else 5)[1]:
        try:
            p.kill()
        except psutil.NoSuchProcess:
            pass
    process.wait(20)


def free_port():
    "A port that nobody listens on."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(address, seconds=60, process=None):
    "Wait until an address answers, and return what it said."
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            break
        try:
            return urlopen(address, timeout=5).read()
        except (URLError, OSError):
            time.sleep(0.25)
    said = process.log.read_text()[-3000:] if process is not None else ""
    pytest.fail(f"{address} did not answer within {seconds} s\n{said}")


def _move_runs(store, before, after):
    "MLflow keeps whole paths: those of a copied project must name the copy, or its runs would be written into the original."
    with contextlib.closing(sqlite3.connect(store)) as db, db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for column in [row[1] for row in db.execute(f"pragma table_info({table})")]:
                if any(word in column for word in ("artifact", "source", "storage_location")):
                    db.execute(
                        f"update {table} set {column} = replace({column}, ?, ?)",
                        (quote(str(before)), quote(str(after))),
                    )


class Clone:
    "The project's files as they are now, in a git repository and a folder of their own; the environment of this run is lent to it."

    def __init__(self, path, home):
        self.path, self.home, self.started = Path(path), Path(home), []

    def fill(self):
        "Copy what git would take, and commit it."
        copy_project(ROOT, self.path)
        self.lend()
        self.run("git init -q -b main && git add -A && git commit -qm start")
        return self

    def become(self, other):
        "Take the state of another clone, its MLflow store among it."
        shutil.rmtree(self.path)
        shutil.copytree(other.path, self.path, symlinks=True)
        if (self.path / "mlflow.db").exists():
            _move_runs(self.path / "mlflow.db", other.path, self.path)
        return self

    def lend(self):
        "A `.venv` whose packages are those of this run, so that make has nothing to install."
        venv = self.path / ".venv"
        venv.mkdir()
        for part in ("bin", "lib", "lib64", "share", "etc", "include", "pyvenv.cfg"):
            if (Path(sys.prefix) / part).exists():
                (venv / part).symlink_to(Path(sys.prefix) / part)
        (venv / ".ready").touch()

    def env(self, **more):
        "This run's environment without what would reach the clone by accident."
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        mine = {
            "HOME": str(self.home),
            "PYTHONPATH": str(self.path),
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{self.path / '.venv/bin'}{os.pathsep}{Path(sys.prefix) / 'bin'}{os.pathsep}{kept['PATH']}",
        }
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
            kept.pop(name, None)
        return {k: str(v) for k, v in (kept | QUIET | mine | more).items() if v is not None}

    def start(self, command, **env):
        "Start a command; what it says is in `.log`."
        fd, log = tempfile.mkstemp(suffix=".log", dir=self.home)
        with os.fdopen(fd, "wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.path,
                env=self.env(**env),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        process.log, process.said = Path(log), lambda: Path(log).read_text(errors="replace")
        self.started.append(process)
        return process

    def run(self, command, code=0, seconds=600, **env):
        "Run a command to its end; returns what it said on both channels. `code` None takes any exit but 0."
        process = self.start(command, **env)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            end(process)
            pytest.fail(f"{command!r} did not end within {seconds} s; it said\n{process.said()[-3000:]}")
        said = process.said()
        assert process.returncode == code or (code is None and process.returncode), (
            f"{command!r} ended with {process.returncode}\n{said[-6000:]}"
        )
        return said

    def refuses(self, command, *words, **more):
        "Run a command that must fail with a clear message; returns what it said."
        said = self.run(command, code=None, **more)
        assert "Traceback" not in said, said
        for word in words:
            assert word in said, f"{word!r} is not in\n{said}"
        return said

    def objects(self, command, *words):
        "As `refuses`, but in this process, for errors by the dozen: no test has only this."
        from carprice_lib.cli import main

        said, before = io.StringIO(), (Path.cwd(), sys.argv)
        try:
            os.chdir(self.path)
            sys.argv = shlex.split(command)
            with (
                patch.dict(os.environ, self.env(), clear=True),
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
            ):
                main()
            pytest.fail(f"{command!r} ended well\n{said.getvalue()}")
        except SystemExit as e:
            assert e.code, f"{command!r} ended with {e.code}\n{said.getvalue()}"
            if isinstance(e.code, str):
                said.write(f"{e.code}\n")
        finally:
            os.chdir(before[0])
            sys.argv = before[1]
        for word in words:
            assert word in said.getvalue(), f"{word!r} is not in\n{said.getvalue()}"
        return said.getvalue()

    def edit(self, file, pattern, new):
        "Change the one place in a file that a pattern finds."
        text, n = re.subn(pattern, new, (self.path / file).read_text(), flags=re.M)
        assert n == 1, f"{pattern!r} is {n} times in {file}"
        (self.path / file).write_text(text)

    def read(self, file):
        "A JSON file."
        return json.loads((self.path / file).read_text())

    def hashes(self):
        "SHA-256 of everything that a pipeline run wrote, by path."
        files = [
            p
            for folder in ("reports", "data/code", "data/prepared", "data/model", "data/champion", "data/monitor")
            for p in (self.path / folder).rglob("*")
            if p.is_file() and p.name != "promoted.json" and p.suffix != ".lock"
        ]
        return {
            str(p.relative_to(self.path)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in [*files, self.path / "dvc.lock"]
        }

    def small(self, quick=False):
        "A demo market and budgets that run in a minute, committed: few rows, few trees, two trials (a `quick` one has one)."
        self.edit("data/catalogue.yaml", r"simulate: \{rows: \d+", "simulate: {rows: 3000")
        self.edit("params.yaml", r"^  trials: \d+", "  trials: 2")
        self.edit("params.yaml", r"^  resamples: \d+", "  resamples: 200")
        if quick:
            self.edit("params.yaml", r"^  seconds: null", "  seconds: 0.1")
        changed = [
            self._fewer(p)
            for folder in ("carprice_lib", "nbs")
            for p in (self.path / folder).rglob("*")
            if p.suffix in (".py", ".ipynb")
        ]
        assert sum(changed) == 4  # the default and the span of the search, in the library and in its notebooks
        self.run("git commit -qam small")
        return self

    def _fewer(self, file):
        "Fewer trees by default and in the search, where a file says how many; returns in how many places."
        text, n = re.subn(r"n_estimators=500(?=,  # trees)", "n_estimators=50", file.read_text())
        text, m = re.subn(r'(SearchDimension\(\\?"n_estimators\\?", )300, 800\)', r"\g<1>30, 80)", text)
        if n + m:
            file.write_text(text)
        return n + m

    def close(self):
        "End what still runs."
        for process in self.started:
            end(process)


def dealer_table(rows=1500):
    "Listings as a dealer's export would name them, with three prices spoilt."
    from carprice_lib.data.synthetic import simulate

    names = {
        "brand": "Make",
        "model": "Model",
        "variant": "Trim",
        "year": "Model year",
        "km_driven": "Odometer (km)",
        "fuel": "Fuel type",
        "transmission": "Gearbox",
        "owner": "Owner",
        "listed_on": "Listing date",
        "price": "Asking price (EUR)",
    }
    table = simulate(rows=rows, seed=11)[0][list(names)].rename(columns=names).assign(Colour="red").head(rows)
    table["Asking price (EUR)"] = ["0"] * 3 + table["Asking price (EUR)"].astype(str).tolist()[3:]
    return table


class Hashes(dict):
    "Hashes of a finished run by file, and the clone that has the files."

    clone: Clone


def assert_same(reference, clone, only=("",)):
    "Fail with the first differing lines unless a clone has the files of an undisturbed run, to the byte (all those that begin as named)."
    before, after = (
        {f: h for f, h in each.items() if f != "dvc.lock" and f.startswith(tuple(only))}
        for each in (reference, clone.hashes())
    )
    differ = sorted(f for f in before.keys() | after.keys() if before.get(f) != after.get(f))
    assert before
    if not differ:
        return
    texts = [
        (c.path / f).read_text(errors="replace").splitlines() if f in has else []
        for f in differ[-1:]
        for c, has in ((reference.clone, before), (clone, after))
    ]
    lines = [line[:300] for line in difflib.unified_diff(*texts, "undisturbed", "here", lineterm="", n=0)]
    pytest.fail(f"these files differ: {', '.join(differ)}\nin {differ[-1]}:\n" + "\n".join(lines[:40]))
