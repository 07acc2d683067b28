"""No test relies on a sleep that is long enough: on a busy machine, no sleep is.

A test may sleep in a loop that checks a condition, or in a task that stands for one that does not end (a minute or
more). Every other place that sleeps is listed below, with the reason why its duration does not change the outcome.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOR_EVER = 60
"""A task that sleeps for this many seconds or more stands for one that does not end by itself."""
ANY_MOMENT = "the outcome is the same for any moment: the sleep only chooses one"
WINDOW = "the task takes a while so that a wrong order would show; the right order holds at any speed"
LATE = "it stands for a call that takes longer than a limit that the test sets"
JUSTIFIED = {
    "tests/benchmark/rows_chips.py": {"sleepers": "threads that a measurement needs"},
    "tests/benchmark/rows_life.py": {"measure": "the measurement is of an idle time"},
    "tests/contract/conftest.py": {
        "KERNELS": "kernels that take a while, or poll in a loop: C++ in a string",
    },
    "tests/contract/test_deadlines.py": {
        "work": "a member that takes a part of its deadline",
        "test_a_deadline_that_is_met_has_no_effect": "nothing may happen after the deadline: a short sleep finds less",
    },
    "tests/contract/test_groups.py": {
        "slow": WINDOW,
        "work": WINDOW,
        "test_a_waiting_group_is_not_starved_by_a_stream_of_single_tasks": "short tasks, of any length",
    },
    "tests/contract/test_interrupts.py": {
        "test_an_interrupt_at_a_random_point_leaves_a_worker_that_is_usable_or_closed": ANY_MOMENT,
    },
    "tests/contract/test_large_results.py": {
        "test_workers_that_are_killed_while_they_write_harm_no_result": ANY_MOMENT
    },
    "tests/contract/test_level_traces.py": {
        "test_a_node_that_dies_before_it_answers_is_named_and_no_other_spans_are_lost": ANY_MOMENT,
    },
    "tests/contract/test_liars.py": {"*": "C++ in a string: a child that does not end by itself"},
    "tests/contract/test_recovery.py": {
        "bump": WINDOW,
        "test_children_killed_at_random_moments_of_a_run_lose_only_the_tasks_that_they_ran": ANY_MOMENT,
        "SLOW_FORKS": "polls in a loop; then lets a child's answer arrive first, but the test passes in any order",
    },
    "tests/contract/test_registration_faults.py": {
        "arrive_late": WINDOW,
        "*": ANY_MOMENT,
    },
    "tests/contract/test_registration_threads.py": {"work": ANY_MOMENT, "_let_go": "releases the interpreter's lock"},
    "tests/contract/test_run_order.py": {"main": "lets other coroutines of the loop run"},
    "tests/contract/test_runs.py": {
        "main": "lets other coroutines of the loop run",
        "test_a_submit_at_the_bound_of_runs_continues_when_a_run_ends": "short tasks, of any length",
    },
    "tests/contract/test_sharing.py": {"visit": WINDOW},
    "tests/contract/test_silent_children.py": {"wake_up": LATE, "*": ANY_MOMENT},
    "tests/contract/test_tasks.py": {"slow": WINDOW},
    "tests/contract/test_waiting_thread.py": {
        "a_millisecond": "a task that takes a while: counted is how often another thread sleeps meanwhile",
    },
    "tests/executor/test_executor.py": {
        "EXIT": WINDOW,
        "slept_through": "nothing may happen meanwhile: a shorter sleep finds less",
        "test_callbacks_run_on_the_executors_own_thread_even_if_another_thread_waits": ANY_MOMENT,
        "test_an_interrupt_while_waiting_leaves_the_future_to_be_settled": ANY_MOMENT,
    },
    "tests/executor/test_loading.py": {
        "opened_after_the_control_timeout": LATE,
        "slow_module": "polls in a loop, in the text of a module",
    },
    "tests/faults/trial.py": {"_wait": "a process that hangs has a second to write its stacks"},
    "tests/hosting/__main__.py": {"_lose": ANY_MOMENT},
    "tests/hosting/test_gateway.py": {"LOST": WINDOW},
    "tests/hosting/test_hosted_nodes.py": {"sleeps": "longer than its deadline, and is ended then"},
    "tests/soak/kill_storm.py": {"_begin": ANY_MOMENT},
    "tests/soak/storm_tasks.py": {"*": "tasks that take a while, of any length"},
}
"""By file, and by the function or the name of the string that sleeps; ``*`` is every other place of the file."""
_IN_TEXT = re.compile(r"\b(?:u?sleep|sleep_for|sleep_until|Timer)\s*[(,]\s*([\d_.]*)")
_NAMES = ("sleep", "Timer")


def sleeps(source):
    """The places where a module sleeps for a chosen time: line, and name of the innermost function or string."""
    yield from _sleeps(ast.parse(source), "", looping=False)


def _sleeps(node, place, *, looping):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        place, looping = node.name, False
    elif isinstance(node, ast.Assign) and not place:
        place = ast.unparse(node.targets[0])
    elif isinstance(node, ast.Lambda):
        looping = False
    elif isinstance(node, ast.While):
        looping = True
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = [match for match in _IN_TEXT.finditer(node.value) if not _for_ever(match[1])]
        yield from ((node.lineno, place) for _ in found)
        return
    if isinstance(node, ast.Call):
        arguments = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        if any(map(_for_ever, map(str, arguments))) and any(map(_sleeping, (node.func, *node.args))):
            return
        if isinstance(node.func, ast.Name) and _sleeping(node.func) and not looping:
            yield node.lineno, place
    if isinstance(node, ast.Attribute) and _sleeping(node) and not looping:
        yield node.lineno, place
    for child in ast.iter_child_nodes(node):
        yield from _sleeps(child, place, looping=looping)


def _sleeping(node):
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in _NAMES


def _for_ever(seconds):
    try:
        return float(seconds) >= FOR_EVER
    except ValueError:
        return False


@pytest.mark.parametrize("name", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")))
def test_no_test_waits_by_sleeping(name):
    if name == str(Path(__file__).relative_to(ROOT)):
        return
    justified = JUSTIFIED.get(name, {})
    found = list(sleeps((ROOT / name).read_text()))
    unknown = [f"{name}:{line}: {place}" for line, place in found if place not in justified and "*" not in justified]
    assert not unknown, (
        "wait for the event (tests/contract/conftest.py has wait_until), or list the place with a reason"
    )
    unused = set(justified) - {place for _, place in found} - {"*"}
    assert not unused, f"{name}: these places do not sleep any more"


def test_every_file_that_is_justified_exists():
    assert [name for name in JUSTIFIED if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test():\n    begin()\n    time.sleep(0.1)\n    assert done()\n", [(3, "test")]),
        ("def test():\n    while not done():\n        time.sleep(0.1)\n", []),
        ("def test():\n    while True:\n        register(lambda: time.sleep(0.1))\n", [(3, "test")]),
        ("def test():\n    def task():\n        sleep(0.1)\n", [(3, "task")]),
        ("nap = register(lambda: time.sleep(60))\n", []),
        ("late = executor.submit(time.sleep, 600)\n", []),
        ("late = executor.submit(time.sleep, 0.2)\n", [(1, "late")]),
        ("async def main():\n    await asyncio.sleep(0)\n", [(2, "main")]),
        ("threading.Timer(0.1, stop).start()\n", [(1, "")]),
        ("KERNEL = 'usleep(1000); sleep(3600);'\n", []),
        ("PROGRAM = 'import time; time.sleep(0.2)'\n", [(1, "PROGRAM")]),
    ],
)
def test_a_sleep_of_a_chosen_length_is_found(source, found):
    assert list(sleeps(source)) == found


def test_the_cpp_tests_sleep_only_in_loops():
    for path in sorted((ROOT / "native" / "tests").rglob("*.cpp")):
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            if re.search(r"\b(usleep|sleep_for|sleep_until)\(", line):
                assert lines[i - 1].lstrip().startswith("while ("), f"{path.relative_to(ROOT)}:{i + 1}"
