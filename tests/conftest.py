"""What the tests share: their order, clean clones, commands with a time limit, and what a skip means in CI."""

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest
from filelock import FileLock

from carprice_lib.cpu_dispatch import pin

pin()  # before a test loads NumPy, and for all that it starts

ROOT = Path(__file__).resolve().parent.parent
ORDER = [
    "test_architecture",
    "test_readme",
    "test_retrain",
    "test_reproducibility",
    "test_containers",
    "test_space",
    "test_data",
    "test_api",
    "test_monitor",
    "test_flow",
    "test_ci_workflows",
    "test_crash_recovery",
    "test_pipeline",
    "test_jupyterlab",
    "test_package",
    "test_page",
    "test_library",
]
LOOSE = {
    "test_crash_recovery",
    "test_pipeline",
    "test_library",
}  # modules whose tests share nothing that takes long to make
TOGETHER = {"test_space": "test_containers"}  # modules that share an environment


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    "A module's tests stay in one process, those of a loose one go where there is room. (Groups by mark, `loadgroup`, do nothing with pytest 9.2.)"
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            module = Path(nodeid.split("::")[0]).stem
            return nodeid if module in LOOSE else TOGETHER.get(module, module)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    "House rules first, then the longest modules."
    items.sort(key=lambda i: ORDER.index(i.module.__name__) if i.module.__name__ in ORDER else len(ORDER))


def pytest_sessionfinish(session):
    "In CI everything is installed, so a skipped test is a failed one."
    if hasattr(session.config, "workerinput"):
        return  # one of several processes: the one that began them counts
    skipped = session.config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])
    if os.environ.get("CARPRICE_NO_SKIP") and skipped and session.exitstatus == 0:
        session.exitstatus = 1


# A shell that runs the tests in the background has them ignore interrupts, and with them all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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


class Clone:
    "The project's files as they are now, in a git repository and a folder of their own; the environment of this run is lent to it."

    def __init__(self, path, home):
        self.path, self.home, self.started = Path(path), Path(home), []

    def fill(self):
        "Copy what git would take, and commit it."
        files = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for f in filter(lambda f: (ROOT / f).is_file(), files.splitlines()):
            (self.path / f).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / f, self.path / f)
        self.lend()
        self.run("git init -q -b main && git add -A && git commit -qm start")
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
        "A demo market and budgets that run in a minute, committed; a `quick` one has one trial of few trees, and says nothing of quality."
        self.edit("data/catalogue.yaml", r"simulate: \{rows: \d+\}", "simulate: {rows: 3000}")
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
        text, n = re.subn(r"rounds=500(?=,  # trees)", "rounds=50", file.read_text())
        text, m = re.subn(r'(SearchDimension\(\\?"rounds\\?", )300, 800\)', r"\g<1>30, 80)", text)
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


def _clones(tmp_path_factory):
    made = []

    def clone(name="carprice", fill=True):
        home = tmp_path_factory.mktemp("home")
        made.append(Clone(tmp_path_factory.mktemp("clone") / name, home))
        made[-1].path.mkdir()
        return made[-1].fill() if fill else made[-1]

    yield clone
    for c in made:
        c.close()


@pytest.fixture(scope="session")
def clones(tmp_path_factory):
    "Makes clean clones: `clones()`."
    yield from _clones(tmp_path_factory)


COROLLA = {
    "brand": "Toyota",
    "model": "Corolla",
    "year": 2018,
    "km_driven": 45000,
    "fuel": "Petrol",
    "transmission": "Manual",
    "owner": "First Owner",
}


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    "A folder of all processes of a session."
    return tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent


@pytest.fixture(scope="session")
def champion(shared):
    "Folder of a small model of the demo market, with its reasons; made once for all processes of a session, and read only."
    from carprice_lib.data.synthetic import simulate
    from carprice_lib.model.explain import Explainer
    from carprice_lib.model.price_model import PriceModel

    folder, done = shared / "champion", shared / "champion.done"
    with FileLock(shared / "champion.lock"):
        if not done.exists():
            cars = simulate(rows=2000, seed=1, dirt=0)[0]
            model = PriceModel.fit(cars, {"rounds": 20}, dataset="demo")
            model.save(folder)
            Explainer.fit(model, cars).save(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def slim():
    "An environment of what serving needs and no more, installed as deploy/Dockerfile.api does; any user may read it."
    home = Path(tempfile.mkdtemp(prefix="carprice-slim-"))
    home.chmod(0o755)
    for f in ("requirements.lock", "deploy/requirements.txt"):
        shutil.copy(ROOT / f, home)
    [install] = re.findall(r"uv pip install .*requirements\.txt.*", (ROOT / "deploy/Dockerfile.api").read_text())
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for command in ("python3 -m venv --without-pip venv", install.replace("/srv/venv", str(home / "venv"))):
        subprocess.run(
            command,
            shell=True,
            cwd=home,
            env=os.environ | {"PATH": path, "UV_COMPILE_BYTECODE": "1"},
            check=True,
            timeout=400,
        )
    yield home / "venv"
    shutil.rmtree(home)


PASSWORD = "any/c@r:acter #1%"


@pytest.fixture(scope="session")
def postgres_server():
    "A real PostgreSQL server of one's own, as a function that runs its programs; its password has characters that an address must quote."
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL is installed (Debian's package postgresql)")
    home, port, bin = Path(tempfile.mkdtemp(prefix="carprice-pg-", dir="/tmp")), free_port(), found[-1].parent
    (home / "password").write_text(PASSWORD)
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        subprocess.run(["chown", "-R", "postgres", home], check=True)

    def run(*words):
        subprocess.run(
            [*as_user, *words], check=True, capture_output=True, cwd="/tmp", env=os.environ | {"PGPASSWORD": PASSWORD}
        )

    run(bin / "initdb", "-D", home / "data", "-A", "scram-sha-256", "-U", "carprice", f"--pwfile={home / 'password'}")
    run(
        bin / "pg_ctl",
        "-D",
        home / "data",
        "-w",
        "-l",
        home / "log",
        "-o",
        f"-p {port} -k {home} -c listen_addresses=127.0.0.1",
        "start",
    )
    yield port, lambda program, *words: run(bin / program, "-h", "127.0.0.1", "-p", str(port), "-U", "carprice", *words)
    run(bin / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop")
    shutil.rmtree(home)


@pytest.fixture
def postgres(postgres_server):
    "Address of an empty database `carprice` of a test's own."
    port, program = postgres_server
    program("dropdb", "--if-exists", "--force", "--maintenance-db=postgres", "carprice")
    program("createdb", "--maintenance-db=postgres", "carprice")
    return f"postgresql://carprice:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/carprice"


@pytest.fixture
def clone(clones):
    "A clean clone of one's own."
    made = clones()
    yield made
    made.close()
    shutil.rmtree(made.path, ignore_errors=True)


@pytest.fixture(scope="session")
def pair(clones, shared):
    "Two small clean clones in different folders, each run from nothing to the end, side by side; made once for all processes of a session."
    with FileLock(shared / "pair.lock"):
        if not (made := shared / "pair.json").exists():
            both = clones().small(), clones("another folder").small()
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda c: c.run("dvc repro", seconds=1200), both))
            made.write_text(json.dumps([(str(c.path), str(c.home)) for c in both]))
        return [Clone(*where) for where in json.loads(made.read_text())]


class Hashes(dict):
    "Hashes of a finished run by file, and the clone that has the files."

    clone: Clone


@pytest.fixture(scope="session")
def reference(pair):
    "What a small run left behind that nothing disturbed."
    found = Hashes(pair[0].hashes())
    found.clone = pair[0]
    return found


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


@pytest.fixture
def finished(pair, clones):
    "A copy of a small clone that has run to its end, to do with as one likes."
    copy = clones(fill=False)
    shutil.rmtree(copy.path)
    shutil.copytree(pair[0].path, copy.path, symlinks=True)
    _move_runs(copy.path / "mlflow.db", pair[0].path, copy.path)
    yield copy
    copy.close()
    shutil.rmtree(copy.path, ignore_errors=True)
