"""Files of metrics, and a backup of the whole, from a running service and without one."""

import csv
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.service import BLACKHOLE, Service, counter, request

from blackhole.store.database import Database

NAME = "node.requests.total"
MINUTE = 60 * 10**9


def run(home: Path, *what: str, code: int = 0) -> Any:
    done = subprocess.run(
        [str(BLACKHOLE), "export", "--data-dir", str(home), "--json", *what],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == (1 if code else 0)
    return json.loads(done.stdout)["files"] if done.stdout else done.stderr


@contextmanager
def filled(home: Path, *, running: bool) -> Iterator[int]:
    """Three values of one metric a minute apart; the nanosecond of the last."""
    with Service(home) as service:
        now = time.time_ns()
        for number in range(3):
            body = request(
                counter(NAME, number + 1.5, start=now, when=now - (2 - number) * MINUTE, delta=True)
            )
            assert service.post(body)[0] == 200
        if running:
            yield now
        assert service.stop() == 0
    if not running:
        yield now


@pytest.mark.parametrize("running", [True, False], ids=["service", "file"])
@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_metric_is_in_a_file_of_each_format(tmp_path: Path, form: str, *, running: bool) -> None:
    out = tmp_path / "out"
    with filled(tmp_path / "data", running=running) as now:
        what = ["--format", form, "--metric", NAME, "--last", "90s", "--to", str(out)]
        told = run(tmp_path / "data", *what)
        assert (told[0]["path"], told[0]["rows"]) == (str(out / f"{NAME}.{form}"), 2)
        assert "is there already" in run(tmp_path / "data", *what, code=1)
    file = out / f"{NAME}.{form}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(out.iterdir()) == [file]
    if form == "parquet":
        sql = f"SELECT value, epoch_ns(timestamp), attributes::JSON->>'service.name' FROM '{file}'"
        assert duckdb.execute(sql).fetchall() == [(2.5, now - MINUTE, "node"), (3.5, now, "node")]
        return
    if form == "csv":
        with file.open() as lines:
            found: list[dict[str, Any]] = list(csv.DictReader(lines))
    else:
        found = json.loads(file.read_text())
        assert found[0]["attributes"] == {"service.name": "node"}
    assert [float(row["value"]) for row in found] == [2.5, 3.5]
    assert {row["metric"] for row in found} == {NAME}


@pytest.mark.parametrize("running", [True, False], ids=["service", "file"])
def test_a_backup_opens_by_itself_with_key_and_head(tmp_path: Path, *, running: bool) -> None:
    copy = tmp_path / "copy"
    with filled(tmp_path / "data", running=running):
        told = run(tmp_path / "data", "--database", str(copy))
        names = ["analytics.duckdb", "analytics.duckdb.head", "analytics.duckdb.key"]
        assert sorted(Path(file["path"]).name for file in told) == names
        assert "not empty" in run(tmp_path / "data", "--database", str(copy), code=2)
        key = (tmp_path / "data" / "analytics.duckdb.key").read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in copy.iterdir()} == {0o600}
    assert (copy / "analytics.duckdb.key").read_bytes() == key
    database = Database.open(copy / "analytics.duckdb", read_only=True)
    with database.reader() as reader:
        sql = f"SELECT sum(value) FROM metrics WHERE metric_name = '{NAME}'"
        assert reader.rows(sql).rows == [(7.5,)]
    database.close()
    verified = subprocess.run([str(BLACKHOLE), "privacy", "verify", "--data-dir", str(copy)], check=False)
    assert verified.returncode == 0


def test_a_running_service_keeps_its_lock_and_goes_on_after_a_backup(tmp_path: Path) -> None:
    with filled(tmp_path / "data", running=True):
        run(tmp_path / "data", "--database", str(tmp_path / "copy"))
        second = subprocess.run(
            [str(BLACKHOLE), "serve", "--data-dir", str(tmp_path / "data"), "--otlp-grpc", "127.0.0.1:0",
             "--otlp-http", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert second.returncode == 1
        assert "is using it" in second.stderr


def test_a_restored_backup_goes_on_where_it_was_taken(tmp_path: Path) -> None:
    with filled(tmp_path / "data", running=True):
        run(tmp_path / "data", "--database", str(tmp_path / "copy"))
    with Service(tmp_path / "copy") as service:
        assert service.query(NAME)["series"]
        assert service.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_gets_no_key(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    with filled(tmp_path / "data", running=True):
        assert "another user" in run(tmp_path / "data", "--database", str(foreign), code=2)
    assert list(foreign.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ([], 2),
        (["--format", "csv", "--to", "x"], 2),
        (["--format", "csv", "--metric", NAME], 2),
        (["--database", "x", "--metric", NAME], 2),
        (["--format", "csv", "--metric", "no.such", "--to", "x"], 1),
        (["--format", "csv", "--metric", NAME, "--last", "1h", "--start", "1", "--to", "x"], 2),
    ],
    ids=str,
)
def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path, what: list[str], code: int) -> None:
    Database.open(tmp_path / "data" / "analytics.duckdb").close()
    what = [str(tmp_path / "x") if word == "x" else word for word in what]
    run(tmp_path / "data", *what, code=code)
    assert not (tmp_path / "x").exists()


def test_without_service_and_file_the_exit_code_is_three(tmp_path: Path) -> None:
    for what in (["--database", str(tmp_path / "x")], ["--format", "csv", "--metric", NAME, "--to", "x"]):
        run(tmp_path / "data", *what, code=3)
    assert not (tmp_path / "x").exists()
