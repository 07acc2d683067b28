"""Checks a document by the rules of the trace event format that viewers rely on, and returns its errors."""

import itertools

_REQUIRED = {"ph", "pid", "tid", "ts", "name"}
_FLOW = {"s": 0, "t": 1, "f": 2}


def violations(document):
    """The broken rules; an empty list if Perfetto and chrome://tracing show the document correctly."""
    events = document["traceEvents"]
    found = [f"{e} lacks {sorted(_REQUIRED - e.keys())}" for e in events if not e.keys() >= _REQUIRED]
    found += [
        f"{e['ph']} is no phase that we write" for e in events if e["ph"] not in {"M", "X", "s", "t", "f", "C", "i"}
    ]
    slices = [e for e in events if e["ph"] == "X"]
    found += [f"{e['name']} begins or lasts less than nothing" for e in slices if e["ts"] < 0 or e["dur"] < 0]
    times = [e["ts"] for e in events if e["ph"] != "M"]
    found += ["events are not in order of time"] * (times != sorted(times))
    found += _unnamed_tracks(events)
    found += _overlaps(slices)
    found += _counters(events)
    found += [f"{e['name']} has no scope" for e in events if e["ph"] == "i" and e.get("s") not in {"g", "p", "t"}]
    found += _flows(events)
    return found


def flow_slices(document):
    """The slices that each flow binds to, by its id: as in Perfetto, to the last opened slice of the flow's track."""
    top = {}
    bound = {}
    for event in document["traceEvents"]:
        track = event["pid"], event["tid"]
        if event["ph"] == "X":
            top[track] = event
        elif event["ph"] in _FLOW:
            bound.setdefault(event["id"], []).append((event["ph"], top.get(track)))
    return bound


def _unnamed_tracks(events):
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    used = {(e["pid"], e["tid"]) for e in events if e["ph"] not in {"M", "C"}}
    return [f"track {track} has no name" for track in used - named] + [
        f"process {pid} has no name" for pid in {pid for pid, _ in used} - processes
    ]


def _overlaps(slices):
    """Slices of a track may follow each other or nest; a partial overlap has no meaning."""
    found = []
    by_track = {}
    for event in slices:
        by_track.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for track, spans in by_track.items():
        open_until = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= begin + 1e-6:
                open_until.pop()
            if open_until and end > open_until[-1] + 1e-6:
                found.append(f"slices of track {track} overlap at {begin}")
            open_until.append(end)
    return found


def _counters(events):
    """A counter's values are numbers from 0 on, and each has a different time."""
    found, seen = [], set()
    for event in events:
        if event["ph"] == "C":
            values = event["args"].values()
            found += [f"{event['name']} is {event['args']}"] * any(not isinstance(v, int) or v < 0 for v in values)
            at = event["pid"], event["name"], event["ts"]
            found += [f"{event['name']} has two values at {event['ts']}"] * (at in seen)
            seen.add(at)
    return found


def _flows(events):
    found = []
    by_id = {}
    for event in events:
        if event["ph"] in _FLOW:
            by_id.setdefault((event["cat"], event["name"], event["id"]), []).append(event)
        if event["ph"] == "f" and event.get("bp") != "e":
            found.append(f"flow {event['id']} ends at the next slice instead of the enclosing one")
    for key, flow in by_id.items():
        phases = [_FLOW[e["ph"]] for e in flow]
        if phases[0] != 0 or phases[-1] != 2 or phases != sorted(phases) or phases.count(0) + phases.count(2) != 2:
            found.append(f"flow {key} has phases {[e['ph'] for e in flow]}")
        found += [f"flow {key} goes back in time" for a, b in itertools.pairwise(flow) if a["ts"] > b["ts"]]
    document = {"traceEvents": events}
    for number, bound in flow_slices(document).items():
        if any(slice_ is None for _, slice_ in bound):
            found.append(f"flow {number} binds to no slice")
        elif len({(s["args"]["run"], s["args"]["task"]) for _, s in bound}) != 1:
            found.append(f"flow {number} binds to slices of several tasks")
    return found
