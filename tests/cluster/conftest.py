"""A real PostgreSQL and real Spark sessions, classic and Connect, for the tests in this folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker("cluster")


def missing(reason: str) -> None:
    """Skip with a reason on a developer's machine; in CI everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def postgres_program(name: str) -> str | None:
    """Return a program of PostgreSQL: on the path, or where Debian puts it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(debian[0]) if debian else None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL that lives as long as the tests."""
    pytest.importorskip("psycopg", reason="no psycopg: pip install 'inferplan[databases]'")
    initdb, program = postgres_program("initdb"), postgres_program("postgres")
    if initdb is None or program is None:
        missing("no PostgreSQL here: install Debian's package postgresql")
        return
    folder = tmp_path_factory.mktemp("postgres")
    data, port = str(folder / "data"), free_port()
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user:
        for parent in (folder, folder.parent, folder.parent.parent):
            parent.chmod(0o755)
        shutil.chown(folder, user)
    initialise = [initdb, "-D", data, "-A", "trust", "-U", "inferplan", "--no-sync"]
    subprocess.run(initialise, check=True, capture_output=True, user=user, cwd=folder)
    command = [program, "-D", data, "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
    listening = [*command, "-c", "listen_addresses=localhost"]
    with running(listening, port, folder, user, signal.SIGINT):  # its fast shutdown: it waits for no client
        yield f"postgresql+psycopg://inferplan@localhost:{port}/postgres"


@pytest.fixture(scope="session")
def spark() -> Path:
    """The folder of PySpark, with a Java to run it."""
    if shutil.which("java") is None:
        missing("no Java here: install Debian's package default-jre-headless")
    pyspark = pytest.importorskip("pyspark", reason="no PySpark: pip install 'inferplan[spark]'")
    return Path(pyspark.__file__).parent


@pytest.fixture(scope="session")
def spark_connect(spark: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server that lives as long as the tests."""
    port = free_port()
    folder = tmp_path_factory.mktemp("connect")
    command = [
        str(spark / "bin" / "spark-submit"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]"),
        *("--conf", f"spark.connect.grpc.binding.port={port}", "--conf", "spark.ui.enabled=false"),
        "spark-internal",
    ]
    with running(command, port, folder):
        yield f"sc://localhost:{port}"


@contextmanager
def running(
    command: list[str],
    port: int,
    folder: Path,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[None]:
    """Run a server, its log in ``folder``, from when it listens on ``port`` until the end of the block."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True, user=user
        )
        try:
            wait_for(port, server, folder / "log")
            yield
        finally:
            os.killpg(server.pid, stop)
            server.wait(timeout=60)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"The server did not start:\n{log.read_text()}")
