"""A live page for tests: its server with a simple client, and the documents of a made-up run."""

import contextlib
import http.client
import itertools
import json

from pipeline.live.server import LiveServer

TOKEN = "a-token"
PAGE = b"<!DOCTYPE html><title>a page</title>"


@contextlib.contextmanager
def serving(told=(), report=lambda number: None, page=PAGE, last=None, token=TOKEN):
    """A server that sends each reader these documents, and the last one when the block ends."""
    server = LiveServer(0, token, page, lambda: iter(told), report)
    try:
        yield server
    finally:
        server.close(last)


def ask(server, path, method="GET", **headers):
    """Status, headers and text of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def events(text):
    """The documents that a reader has received."""
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def on_and_on(*told):
    """These documents, then the last one again and again, without any further ended task."""
    quiet = told[-1]
    if quiet["run"] and quiet["run"]["workers"]:
        quiet = quiet | {"run": quiet["run"] | {"workers": quiet["run"]["workers"] | {"ended": []}}}
    return itertools.chain(told, itertools.repeat(quiet))


def told_run(tasks=40, step=1, wrong=False, seconds=12):
    """A run that executes on two chips and a sub-worker: each task of a chip takes 200 ms, and one is under way."""
    began, now = 5_000_000_000, 5_000_000_000 + seconds * 1_000_000_000
    ended = []
    for i in range(tasks):
        child, end = i % 3, now - (tasks - i) * 120_000_000
        begin, state = end - 200_000_000, "lost" if wrong and i == tasks - 2 else "done"
        ended.append([child, begin, end - begin, int(child == 2), state, 1, i, begin - 5_000, begin - 900, end + 900])
    begun = [[1, now - 150_000_000, 0, 0, "running", 1, tasks, now - 160_000_000, now - 150_000_000, 0]]
    stats = {"accepted": tasks * step + 20, "pending": 20, "runs": 1, "failed": 0, "lost": int(wrong), "timed_out": 0}
    children = [
        ["chip 0", "chip", 101, "ready", tasks // 3, 0, ""],
        ["chip 1", "chip", 102, "ready", tasks // 3, 1 if wrong else 0, "SIGSEGV" if wrong else ""],
        ["sub-worker 0", "sub", 103, "ready", tasks // 3, 0, ""],
    ]
    stages = [
        ["describe", 0.02, [["callable", "add", "", None]]],
        ["build", 1.9, [["cached", "core (release)", "0123abcd", 0.002], ["built", "add", "588d5ab9", 1.8]]],
        ["load", 0.001, [["loaded", "core (release)", "0123abcd", None]]],
        ["start", 0.4, [["started", "2 chips and 1 sub-worker", "", 0.4]]],
        ["register", 0.01, [["registered", "add", "aaaaaaaa", 0.001]]],
    ]
    at_work = {"name": "execute", "elapsed": 9.7, "things": "runs", "done": 7, "total": 20, "actions": []}
    at_work["words"] = "median 1.21 s, about 16 s left"
    workers = {"stats": stats, "children": children, "names": ["add", "look"], "now": now, "recorded": tasks}
    workers |= {"step": step, "ended": ended, "begun": begun}
    run = {"title": "vector_add on node", "where": "target a2a3sim \u00b7 build release", "began_ns": began}
    return run | {"elapsed": seconds, "stages": stages, "stage": at_work, "workers": workers}


def told_sweep(ended=3, total=8):
    """A sweep over chips and sizes of which some points have ended, one of them with an error, and one runs."""
    points = []
    for job in range(total):
        values = [f"chip{1 + job // 2}", str(1000 * (1 + job % 2))]
        point = {"job": job, "values": values, "status": "waiting", "runs": 0, "median": None, "error": ""}
        if job < ended:
            bad = job == 1
            point |= {"status": "worker_lost" if bad else "ok", "runs": 0 if bad else 10}
            point |= {"median": None if bad else 0.0123 / (1 + job), "error": "chip 0 was lost: SIGSEGV" if bad else ""}
        elif job == ended:
            point["status"] = "running"
        points.append(point | {"report": job < ended})
    title = "Sweep of vector_add over topology and size"
    about = {"title": title, "elapsed": 75.0, "keys": ["topology", "size"], "total": total, "running": ended}
    return about | {"points": points}


ENDED = {"status": "ok", "exit_code": 0, "error": "", "report": "file:///home/me/run/report.html"}
