"""A sweep runs its points on warm Workers, continues after a failed point, and writes tables and a page."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from .conftest import USER_CONFIGS

SMALL = ("workload=vector_add", "workload.size=4096")
WITHOUT_DUCKDB = "import sys; sys.modules['duckdb'] = None; from pipeline import app; sys.exit(app.main())"


def rows_of(done, sweep="sweep"):
    with (done.folder / sweep / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def result_of(done, job):
    return json.loads((done.folder / "sweep" / str(job) / "result.json").read_text())


def start_of(done, job):
    (stage,) = [stage for stage in result_of(done, job)["stages"] if stage["name"] == "start"]
    return stage["actions"][0]["word"]


def pids_of(done, job):
    import gzip

    trace = json.loads(gzip.decompress((done.folder / "sweep" / str(job) / "trace.json.gz").read_bytes()))
    return {event["pid"] for event in trace["traceEvents"]}


class Page(HTMLParser):
    """Collects the tags and the text of a page, and the drawings in it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.words.append(data)


def test_points_of_one_topology_share_a_worker_and_another_topology_starts_its_own(command):
    done = command(
        "-m", "workload=vector_add", "+topology=chip1,chip2", "workload.size=64,128", "hydra.sweep.dir=sweep"
    )
    assert done.code == 0, done.err
    assert [start_of(done, job) for job in range(4)] == ["started", "warm", "started", "warm"]
    assert pids_of(done, 0) == pids_of(done, 1)
    assert len(pids_of(done, 2) | pids_of(done, 3)) == 3
    assert [result_of(done, job)["tasks"]["count"] for job in range(4)] == [1, 1, 2, 2]
    assert all(result_of(done, job)["verification"]["passed"] for job in range(4))


def test_a_sweep_writes_a_row_for_each_point_with_swept_values_and_measurements(command):
    done = command(
        "-m", "workload=vector_add", "+topology=chip1,chip2", "workload.size=64,128", "workload.repeat=3",
        "workload.warm_up=1", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    rows = rows_of(done)
    swept = [(row["topology"], row["workload.size"]) for row in rows]
    assert swept == [("chip1", "64"), ("chip1", "128"), ("chip2", "64"), ("chip2", "128")]
    for row in rows:
        measured = result_of(done, row["job"])["measurements"]["run_seconds"]
        assert len(measured) == int(row["runs"]) == 3
        assert float(row["run_seconds_min"]) == min(measured)
        assert float(row["run_seconds_median"]) == sorted(measured)[1]
        assert row["hashid_add"].startswith("sha256:")
        assert (row["status"], row["exit_code"], row["error"]) == ("ok", "0", "")
    assert "4 points" in done.out


def test_the_parquet_file_has_the_content_of_the_csv_file(command):
    duckdb = pytest.importorskip("duckdb", reason="duckdb (the sweep extra) is not installed")
    done = command("-m", "workload=vector_add", "workload.size=64,-1", "hydra.sweep.dir=sweep")
    with duckdb.connect() as connection:
        table = connection.execute(f"SELECT * FROM '{done.folder}/sweep/results.parquet'")
        names = [column[0] for column in table.description]
        parquet = [dict(zip(names, row, strict=True)) for row in table.fetchall()]
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in parquet] == rows_of(
        done
    )
    assert isinstance(parquet[0]["run_seconds_median"], float)
    assert isinstance(parquet[0]["workload.size"], int)


def test_without_duckdb_the_sweep_reports_what_is_missing_and_writes_the_other_files(command):
    with command.start(
        "-m", *SMALL, "workload.seed=1,2", "hydra.sweep.dir=sweep", program=("-c", WITHOUT_DUCKDB)
    ) as process:
        _, err = process.communicate()
    assert process.returncode == 0
    assert err.startswith("warning: results.parquet was not written")
    assert "pip install 'callring[sweep]'" in err
    assert {path.name for path in (command.folder / "sweep").iterdir() if path.is_file()} == {
        "multirun.yaml",
        "results.csv",
        "sweep.html",
    }


def test_a_failed_point_is_explained_and_does_not_affect_the_others(command):
    done = command(
        *USER_CONFIGS, "-m", *SMALL, "+topology=chip1,chip3",
        "callable@workload.callables.add=vector_add,segfault,does_not_compile,vector_add_unrolled",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert done.code == 5
    codes = [row["exit_code"] for row in rows_of(done)]
    assert codes == ["0", "5", "3", "0", "1", "1", "1", "1"]
    assert start_of(done, 3) == "started"  # a new Worker after one that lost a chip
    explained = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert len(explained) == 3
    assert "segfault" in explained[0]
    assert "exit code 5" in explained[0]
    assert "does_not_compile" in explained[1]
    assert "exit code 3" in explained[1]
    assert explained[2].startswith("failed: 4 points")
    assert "topology=chip3: no such option" in explained[2]
    assert "Traceback" not in done.err
    page = (done.folder / "sweep" / "sweep.html").read_text()
    assert "topology=chip3: no such option" in page


def test_a_word_among_numbers_is_refused_and_the_numbers_run(command):
    done = command("-m", *SMALL, "topology.chips=1,x,2", "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert done.err.splitlines()[0] == "error: topology.chips=x: must be an integer"
    assert [(row["job"], row["status"]) for row in rows_of(done)] == [("0", "ok"), ("", "error"), ("1", "ok")]


def test_a_sweep_in_which_no_point_can_be_composed_reports_it_once_and_writes_no_table(command):
    done = command("-m", *SMALL, "+topology=chip3,chip5", "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert len(done.err.splitlines()) == 2
    assert done.err.count("no such option") == 2
    assert not (done.folder / "sweep" / "results.csv").exists()


def test_json_output_of_a_sweep_is_one_document(command):
    done = command("-m", "workload=vector_add", "workload.size=64,128", "output=json", "hydra.sweep.dir=sweep")
    document = json.loads(done.out)
    assert document["swept"] == ["workload.size"]
    assert [point["workload.size"] for point in document["points"]] == [64, 128]


def test_the_page_is_a_single_file_and_draws_each_swept_parameter(command):
    done = command(
        "-m", "workload=vector_add", "+topology=chip1,chip2", "workload.size=64,128,-1", "hydra.sweep.dir=sweep"
    )
    text = (done.folder / "sweep" / "sweep.html").read_text()
    page = Page(text)
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert page.references == []
    assert "url(" not in text
    assert "http" not in text.replace("http-equiv", "")
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, flags=re.DOTALL)[1])
    assert data["title"] == "Sweep of vector_add over topology and size"
    assert all((done.folder / "sweep" / point["link"]).is_file() for point in data["points"])
    assert len(data["points"]) == 6
    drawings = [ET.fromstring(figure["svg"]) for figure in data["figures"]]
    assert [drawing.get("aria-label") for drawing in drawings] == [
        "Time over topology",
        "Speed-up over topology",
        "Time over workload.size",
    ]
    for drawing in drawings:
        assert len(drawing.findall("circle")) == 4  # two curves of two points; a failed point is not drawn
    (cause,) = data["causes"]
    assert "at least 1 element" in cause["error"]
    assert len(cause["points"]) == 2


def interrupted_at_its_second_point(command):
    """Interrupts a sweep of three points, of which the second does not end. Returns the states in its table."""
    import signal

    arguments = (*USER_CONFIGS, "-m", *SMALL, "worker.close_timeout=0.1", "hydra.sweep.dir=sweep", "output=verbose")
    endless = "callable@workload.callables.add=vector_add,endless,vector_add_unrolled"
    with command.start(*arguments, endless) as process:
        registered = 0
        for line in process.stdout:
            registered += line.startswith("registered")
            if registered == 2:
                process.send_signal(signal.SIGINT)
                break
        process.communicate()
    assert process.returncode == 130
    with (command.folder / "sweep" / "results.csv").open(newline="") as file:
        return [row["status"] for row in csv.DictReader(file)]


def test_an_interrupted_sweep_still_has_the_results_of_its_points(command):
    assert interrupted_at_its_second_point(command) == ["ok", "interrupted"]


def test_a_point_that_did_not_begin_has_no_result_of_an_earlier_sweep_in_its_folder(command):
    assert command("-m", *SMALL, "workload.seed=1,2,3", "hydra.sweep.dir=sweep").code == 0
    assert interrupted_at_its_second_point(command) == ["ok", "interrupted"]
    assert not (command.folder / "sweep" / "2" / "result.json").exists()
