"""Random programs of the kill storm (chains, fans, joins, groups, retries, deadlines and failures), and the check of
their results. A program is data: it is submitted or captured, and its rows are compared with the codes of its tasks."""

from dataclasses import dataclass, field

from runtime import CallConfig, Tag, TaskArgs
from tests.soak.storm_tasks import BEGUN, DONE, EARLY, FAIL, MOST_PREDECESSORS, NONE, OVERSTAY, VALUE, WELL, value

DEADLINE = 0.05
LOST, TIMED_OUT, SKIPPED, CANCELLED = "worker_lost", "task_timeout", "skipped", "cancelled"
FAILED = ("python_exception", "kernel_failed")


@dataclass
class Node:
    """One task, or a group, which has several rows."""

    rows: list[int]
    after: list[int]
    """Indices of the nodes that this one follows."""
    place: int
    """A chip, or -1 for any sub-worker. For a group: the kind of its members' children."""
    pause: int
    ending: int = WELL
    retries: int = 0
    deadline: float | None = None


@dataclass
class Program:
    """Nodes in the order in which they are submitted."""

    nodes: list[Node] = field(default_factory=list)
    rows: int = 0


def random_program(choose, chips, sub_workers):
    """A program of 5 to 30 nodes."""
    program = Program()
    shape = choose.choice(["chain", "fan", "any"])
    for number in range(choose.randrange(5, 30)):
        earlier = {
            "chain": [number - 1] if number else [],
            "fan": [0] if number else [],
            "any": sorted({choose.randrange(number) for _ in range(choose.randrange(3))}) if number else [],
        }[shape]
        place = choose.randrange(chips) if choose.random() < 0.5 else -1
        members = choose.randrange(1, 1 + (chips if place >= 0 else sub_workers)) if choose.random() < 0.1 else 1
        if sum(len(program.nodes[i].rows) for i in earlier) > MOST_PREDECESSORS:
            earlier = earlier[:1]
        ending = choose.choices([WELL, FAIL, OVERSTAY], [0.95, 0.04, 0.01])[0]
        deadline = DEADLINE if ending == OVERSTAY or choose.random() < 0.2 else None
        retries = choose.randrange(3) if choose.random() < 0.3 else 0
        rows = list(range(program.rows, program.rows + members))
        program.rows += members
        pause = choose.choice([0, 2000, 10_000])
        program.nodes.append(Node(rows, earlier, place, pause, ending, retries, deadline))
    return program


def submit(program, orchestrator, rows, kernel, function):
    """Submits the program, or records it. Returns its tasks."""
    tasks = []
    for node in program.nodes:
        before = [row for i in node.after for row in program.nodes[i].rows]
        before += [NONE] * (MOST_PREDECESSORS - len(before))
        arguments = [TaskArgs((rows, Tag.NO_DEP), scalars=[row, node.pause, node.ending, *before]) for row in node.rows]
        config = CallConfig(block_count=1 if node.place >= 0 else 0, retries=node.retries, deadline=node.deadline)
        after = [tasks[i] for i in node.after]
        if len(node.rows) > 1:
            if node.place >= 0:
                places = list(range(len(node.rows)))
                task = orchestrator.submit_next_level_group(kernel, arguments, config, workers=places, after=after)
            else:
                task = orchestrator.submit_sub_group(function, arguments, config, after=after)
        elif node.place >= 0:
            task = orchestrator.submit_next_level(kernel, arguments[0], config, worker=node.place, after=after)
        else:
            task = orchestrator.submit_sub(function, arguments[0], config, after=after)
        tasks.append(task)
    return tasks


def complaints_of_rows(program, rows):
    """Errors of any outcome: a task that began too often or too early, or has a wrong value. Rows: (n, 4), float64."""
    for node in program.nodes:
        for row in node.rows:
            if not rows[row, BEGUN] <= 1 + node.retries:
                yield f"row {row} was begun {rows[row, BEGUN]:g} times, with {node.retries} retries"
            if rows[row, EARLY]:
                yield f"row {row} was begun before one that it depends on had been executed"
            before = [rows[earlier, VALUE] for i in node.after for earlier in program.nodes[i].rows]
            if rows[row, DONE] and rows[row, VALUE] != value(row, before):
                yield f"row {row} computed {rows[row, VALUE]:g}"


def complaints_of_codes(program, rows, codes, cancelled):
    """Yields a complaint for each node whose code is not possible. ``codes`` are names, by node."""
    for number, (node, code) in enumerate(zip(program.nodes, codes, strict=True)):
        begun, done = rows[node.rows, BEGUN], rows[node.rows, DONE]
        all_before = all(codes[i] == "ok" for i in node.after)
        may = {
            "ok": all_before and node.ending == WELL and done.all(),
            SKIPPED: not all_before and not begun.any(),
            CANCELLED: cancelled,
            LOST: all_before,
            TIMED_OUT: all_before and node.deadline is not None,
            **dict.fromkeys(FAILED, all_before and node.ending == FAIL),
        }
        if not may.get(code, False):
            yield f"node {number} ended as {code}: {node}, begun {begun}, done {done}, before {all_before}"
