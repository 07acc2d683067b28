"""Virtual time: the time of a graph on modelled chips is computed from the graph, and independent of real runs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import CallConfig, ChipModel, Tag, TaskArgs, TaskCost, Worker
from runtime.errors import ConfigurationError

MODEL = ChipModel(latency_ns=10, bandwidth=1e9, cores=4)
ONE = CallConfig(block_count=1)
BYTES = 80
"""Bytes of each tensor of random programs; a byte takes one nanosecond on MODEL."""


@pytest.fixture(scope="module")
def idle():
    """A Worker with more chips than any machine has; it is never started."""
    with_python = Worker(chips=256, sub_workers=2)
    yield with_python
    with_python.close()


@pytest.fixture(scope="module")
def affine(idle, chip):
    return idle.register(chip["affine"])


@pytest.fixture(scope="module")
def nothing(idle):
    return idle.register(_nothing)


def _nothing(args):
    return None


def step(tensor):
    return TaskArgs((tensor, Tag.INOUT), scalars=[2, 1])


def test_hundreds_of_chips_are_studied_without_a_process(idle, affine):
    x = idle.zeros((256, 1000), "float64")
    graph = idle.capture(lambda o: [o.submit_next_level(affine, step(x[i]), worker=i) for i in range(256)])
    assert idle.children == []
    time = graph.virtual_time(MODEL, costs={affine: TaskCost(core_ns=400)})
    assert time.makespan_ns == time.critical_path_ns == 10 + 2 * 8000 + 400 // 4
    assert time.one_by_one_ns == 256 * time.makespan_ns
    assert set(time.busy_ns.values()) == {16_100, 0}
    assert time.work_ns == {"affine": 256 * 16_100}
    with_overhead = graph.virtual_time(MODEL, costs={affine: TaskCost(core_ns=400)}, dispatch_ns=100)
    assert with_overhead.makespan_ns == 256 * 100 + time.makespan_ns


def test_virtual_time_is_the_same_before_during_and_after_a_real_run(chip):
    with Worker(chips=3) as worker:
        affine = worker.register(chip["affine"])
        x = worker.zeros(30, "float64")

        def program(o):
            for i in range(12):
                o.submit_next_level(affine, step(x[i % 3 :: 3]), ONE, worker=i % 2)
                o.submit_next_level(affine, step(x), ONE, worker=2)

        graph = worker.capture(program)
        before = graph.virtual_time(MODEL)
        run = worker.launch(graph)
        meanwhile = graph.virtual_time(MODEL)
        run.result()
        after = graph.virtual_time(MODEL)
        assert list(before.spans) == list(meanwhile.spans) == list(after.spans)
        assert np.all(x.numpy() == 2**16 - 1)


def test_a_graph_captured_before_the_start_runs_after_it(chip):
    worker = Worker(chips=1)
    affine = worker.register(chip["affine"])
    x = worker.zeros(4, "float64")
    graph = worker.capture(lambda o: o.submit_next_level(affine, step(x), ONE, worker=0))
    with worker:
        worker.launch(graph).result()
        assert np.all(x.numpy() == 1)


def test_every_chip_can_have_its_own_model(chip):
    worker = Worker(device_ids=[5, 2])
    affine = worker.register(chip["affine"])
    x = worker.zeros((2, 100), "float64")
    graph = worker.capture(lambda o: [o.submit_next_level(affine, step(x[i]), worker=c) for i, c in enumerate((5, 2))])
    slow = ChipModel(latency_ns=0, bandwidth=1e8, cores=1)
    assert graph.virtual_time({5: MODEL, 2: slow}).busy_ns == {("chip", 5): 1600, ("chip", 2): 16_000}
    with pytest.raises(ConfigurationError, match="chip 2 has no model"):
        graph.virtual_time({5: MODEL})
    with pytest.raises(ConfigurationError, match="no chip 7"):
        graph.virtual_time({5: MODEL, 2: slow, 7: slow})
    worker.close()


def test_a_graph_that_the_model_does_not_cover_is_refused(idle, affine, nothing):
    graph = idle.capture(lambda o: o.submit_sub(nothing))
    with pytest.raises(ConfigurationError, match="Python callable _nothing"):
        graph.virtual_time(MODEL)
    assert graph.virtual_time(MODEL, costs={nothing: TaskCost(core_ns=7)}).makespan_ns == 7
    with pytest.raises(ConfigurationError, match="no task of the graph calls"):
        graph.virtual_time(MODEL, costs={nothing: TaskCost(), affine: TaskCost()})
    x = idle.zeros(1, "float64")
    late = idle.capture(lambda o: o.submit_next_level(affine, step(x), CallConfig(deadline=1.0), worker=0))
    with pytest.raises(ConfigurationError, match="deadline, which is about measured time"):
        late.virtual_time(MODEL)
    with pytest.raises(ConfigurationError, match="hundred years"):
        graph.virtual_time(MODEL, costs={nothing: TaskCost(core_ns=1e300)})
    top = Worker(level=4, sub_workers=1)
    top.add_worker(Worker(chips=1))
    below = top.register(_nothing)
    with pytest.raises(ConfigurationError, match="capture it at level 3"):
        top.capture(lambda o: o.submit_next_level(below, worker=0)).virtual_time(MODEL)
    top.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latency_ns", -1),
        ("latency_ns", 0.5),
        ("latency_ns", 10**16),
        ("bandwidth", 0),
        ("bandwidth", -1.0),
        ("bandwidth", math.inf),
        ("bandwidth", math.nan),
        ("bandwidth", "fast"),
        ("cores", 0),
        ("cores", True),
        ("cores", 2**32),
    ],
)
def test_an_impossible_chip_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(ConfigurationError, match=f"{field}={value!r}"):
        ChipModel(**{"latency_ns": 0, "bandwidth": 1.0, "cores": 1, field: value})


@pytest.mark.parametrize(("field", "value"), [("core_ns", -1), ("core_ns_per_byte", math.nan), ("core_ns", None)])
def test_an_impossible_cost_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(ConfigurationError, match=f"{field}={value!r}"):
        TaskCost(**{field: value})


@pytest.mark.parametrize("value", [-1, 1.5, 10**16])
def test_an_impossible_dispatch_time_is_refused(idle, value):
    with pytest.raises(ConfigurationError, match="dispatch_ns"):
        idle.capture(lambda o: None).virtual_time(MODEL, dispatch_ns=value)


# ---- random programs, compared with a slow evaluation of the rules of docs/howto/model-chips.md ---------------------

CHIPS, SUBS = 3, 2
STEPS = st.tuples(
    st.integers(-1, CHIPS - 1),  # a chip, or any sub-worker
    st.integers(0, 4),  # the tensor that it changes
    st.integers(0, 4),  # the tensor that it reads
    st.integers(0, 6),  # blocks
    st.booleans(),  # a group of two
)


def record(worker, look, nothing, tensors, steps):
    def program(o):
        for place, changed, read, blocks, pair in steps:
            config = CallConfig(block_count=blocks)
            args = TaskArgs((tensors[changed], Tag.INOUT), (tensors[read], Tag.NO_DEP))
            reads = TaskArgs((tensors[read], Tag.INPUT), (tensors[read], Tag.NO_DEP))
            if place < 0:
                o.submit_sub_group(nothing, [args, None]) if pair else o.submit_sub(nothing, args)
            elif pair:
                both = [place, (place + 1) % CHIPS]
                o.submit_next_level_group(look, [args, reads], config, workers=both)
            else:
                o.submit_next_level(look, args, config, worker=place)

    return worker.capture(program)


def expected(steps, model, core_ns, dispatch_ns):
    """Begin and end of every frame, in the order of submission."""
    idle = dict.fromkeys([*range(CHIPS), *(f"sub {i}" for i in range(SUBS))], 0)
    shapes, spans, ended, handed, parent = [], {}, {}, {}, 0
    for place, changed, read, blocks, pair in steps:
        chips = [] if place < 0 else [place, (place + 1) % CHIPS][: 1 + pair]
        spread = blocks or model.cores
        core = math.ceil(core_ns * math.ceil(spread / model.cores) / spread)
        on_chip = [3 * BYTES + core, 2 * BYTES + core][: 1 + pair]
        shapes.append(
            (chips, {changed}, {read} if pair and chips else set(), on_chip if chips else [core_ns] * (1 + pair))
        )
    while len(spans) < len(steps):
        ready = {}
        for number, (chips, writes, reads, _) in enumerate(shapes):
            earlier = [
                n
                for n, (_, written, was_read, _) in enumerate(shapes[:number])
                if writes & (written | was_read) or reads & written
            ]
            if number in spans or any(n not in spans for n in earlier):
                continue
            behind = [len(chips) == 1 and shapes[n][0] == chips for n in earlier]
            ready[number] = max(
                (handed[n] if same else ended[n] for n, same in zip(earlier, behind, strict=True)), default=0
            )
        number = min(ready, key=lambda n: (ready[n], n))
        chips, _, _, durations = shapes[number]
        parent = handed[number] = max(parent, ready[number]) + dispatch_ns * len(durations)
        subs = sorted((name for name in idle if name not in range(CHIPS)), key=lambda name: (idle[name], name))
        children = chips or subs[: len(durations)]
        begin = max([parent + (model.latency_ns if chips else 0), *(idle[child] for child in children)])
        spans[number] = [(begin, begin + duration) for duration in durations]
        ended[number] = begin + max(durations)
        for child, duration in zip(children, durations, strict=True):
            idle[child] = begin + duration
    return [span for number in range(len(steps)) for span in spans[number]]


@settings(max_examples=300)
@given(
    steps=st.lists(STEPS, max_size=25),
    model=st.builds(ChipModel, latency_ns=st.integers(0, 500), bandwidth=st.just(1e9), cores=st.integers(1, 5)),
    core_ns=st.integers(0, 1000),
    dispatch_ns=st.sampled_from([0, 0, 30]),
)
def test_random_programs_take_the_time_that_the_rules_give(random_worker, steps, model, core_ns, dispatch_ns):
    worker, look, nothing, tensors = random_worker
    graph = record(worker, look, nothing, tensors, steps)
    costs = {handle: TaskCost(core_ns=core_ns) for handle in _used(steps, look, nothing)}
    time = graph.virtual_time(model, costs=costs, dispatch_ns=dispatch_ns)
    assert [(span.begin_ns, span.end_ns) for span in time.spans] == expected(steps, model, core_ns, dispatch_ns)
    assert time.critical_path_ns <= time.makespan_ns <= time.one_by_one_ns
    assert max(time.busy_ns.values()) <= time.makespan_ns
    assert sum(time.busy_ns.values()) == sum(time.work_ns.values())
    again = graph.virtual_time(model, costs=costs, dispatch_ns=dispatch_ns)
    assert list(again.spans) == list(time.spans)
    farther = ChipModel(latency_ns=model.latency_ns + 100, bandwidth=1e9, cores=model.cores)
    later = graph.virtual_time(farther, costs=costs, dispatch_ns=dispatch_ns)
    assert later.critical_path_ns >= time.critical_path_ns


def _used(steps, look, nothing):
    on_chips = {place >= 0 for place, *_ in steps}
    return [handle for handle, used in ((look, True in on_chips), (nothing, False in on_chips)) if used]


@pytest.fixture(scope="module")
def random_worker(chip):
    worker = Worker(chips=CHIPS, sub_workers=SUBS)
    tensors = [worker.zeros(BYTES // 8, "float64") for _ in range(5)]
    yield worker, worker.register(chip["look"]), worker.register(_nothing), tensors
    worker.close()
