"""APScheduler, whose jobs go to an Executor."""

import queue

import pytest

from tests.clients import functions

pytest.importorskip("apscheduler")

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from runtime import Executor


class CallringPool(BasePoolExecutor):
    def __init__(self, executor):
        super().__init__(executor)


def test_jobs_run_in_workers_and_events_report_their_outcomes():
    events = queue.Queue()
    scheduler = BackgroundScheduler(executors={"default": CallringPool(Executor(2))}, timezone="UTC")
    scheduler.add_listener(events.put, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    for i in range(5):
        scheduler.add_job(functions.square, "date", args=[i], id=str(i), misfire_grace_time=None)
    scheduler.add_job(functions.fail, "date", id="fails", misfire_grace_time=None)
    scheduler.start()
    told = [events.get(timeout=60) for _ in range(6)]
    scheduler.shutdown()
    assert sorted(event.retval for event in told if event.code == EVENT_JOB_EXECUTED) == [0, 1, 4, 9, 16]
    (failed,) = [event for event in told if event.code == EVENT_JOB_ERROR]
    assert isinstance(failed.exception, LookupError)
