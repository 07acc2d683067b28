"""The progress of runs: the number of ended runs, or of ended tasks of a long run."""

from pipeline.run.stages import execute
from runtime import Worker


def nothing(args):
    """A minimal task."""


def run_tasks(worker, handle, count):
    worker.run(lambda o: [o.submit_sub(handle) for _ in range(count)] and None)


def test_progress_counts_short_runs_or_the_tasks_of_a_long_run(monkeypatch):
    with Worker(level=3, chips=0, sub_workers=1) as worker:
        handle = worker.register(nothing)
        phase = execute.Phase("executed", "sums", 3, worker)
        phase.begin_run()
        monkeypatch.setattr(execute, "_LONG", float("inf"))
        assert (phase.progress(), phase.words()) == ((0, 3), "")
        monkeypatch.setattr(execute, "_LONG", 0.0)
        run_tasks(worker, handle, 4)
        assert (phase.progress(), phase.words()) == ((4, 4), "tasks, run 1 of 3")
        phase.seconds.append(2.0)
        phase.begin_run()
        run_tasks(worker, handle, 2)
        assert phase.progress() == (2, 2)
        assert phase.words() == "tasks, run 2 of 3, median 2.00 s, about 4 s left"
        monkeypatch.setattr(execute, "_LONG", float("inf"))
        assert (phase.progress(), phase.words()) == ((1, 3), "median 2.00 s, about 4 s left")


def test_the_tasks_of_a_single_run_are_counted():
    with Worker(level=3, chips=0, sub_workers=1) as worker:
        handle = worker.register(nothing)
        run_tasks(worker, handle, 5)
        phase = execute.Phase("executed", "sums", 1, worker)
        phase.begin_run()
        run_tasks(worker, handle, 3)
        assert (phase.progress(), phase.words()) == ((3, 3), "")
