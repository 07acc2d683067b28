"""The points of a sweep are composed as Hydra composes them, in a fraction of its time."""

import pickle

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.config.schema import register_schema
from pipeline.config.tree import CONF
from pipeline.hydra_glue.versions import COMPATIBILITY
from pipeline.sweep.composition import PointLoader
from pipeline.sweep.plugins import register_plugins


@pytest.fixture(scope="module")
def hydra_loader():
    register_schema()
    register_plugins()
    with initialize_config_dir(str(CONF), **COMPATIBILITY):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture(scope="module")
def master(hydra_loader):
    overrides = ["hydra.mode=MULTIRUN", "workload=vector_add", "workload.size=1,2", "hydra.sweep.dir=/nowhere"]
    return hydra_loader.load_configuration("config", overrides, RunMode.MULTIRUN)


class Counting:
    """A loader that counts how often Hydra composes."""

    def __init__(self, loader):
        self.loader, self.count = loader, 0

    def load_sweep_config(self, master, overrides):
        self.count += 1
        return self.loader.load_sweep_config(master, overrides)


VALUES = st.one_of(
    st.integers(-5, 5), st.sampled_from([0.5, 1e-9, "word", "'quoted, text'", "null", "true", "[1,2]", "{a: 1}"])
)
POINTS = st.lists(
    st.builds(
        lambda topology, size, seed, extra, timeout: [
            *topology, "workload=vector_add", f"workload.size={size}", f"workload.seed={seed}", *extra,
            f"worker.start_timeout={timeout}",
        ],
        st.sampled_from([[], ["+topology=chip2"], ["+topology=chip8"]]),
        VALUES,
        VALUES,
        st.sampled_from(
            [[], ["~workload.repeat"], ["+workload.more=3"], ["++workload.repeat=4"], ["hydra.job.chdir=false"]]
        ),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(max_examples=15)
@given(points=POINTS)
def test_every_point_is_composed_as_hydra_composes_it(hydra_loader, master, points):
    loader = PointLoader(hydra_loader)
    for overrides in points:
        expected = hydra_loader.load_sweep_config(master, list(overrides))
        composed = loader.compose(master, overrides)
        assert OmegaConf.to_container(composed) == OmegaConf.to_container(expected)
        assert loader.load_sweep_config(master, list(overrides)) is composed


def test_points_that_differ_only_in_values_are_composed_once(hydra_loader, master):
    counting = Counting(hydra_loader)
    loader = PointLoader(counting)
    for size in range(20):
        loader.compose(master, ["workload=vector_add", f"workload.size={size}"])
    loader.compose(master, ["workload=vector_add", "workload.size=1", "+topology=chip2"])
    assert counting.count == 2


def test_a_launchers_change_of_a_point_does_not_change_the_next_point(hydra_loader, master):
    loader = PointLoader(hydra_loader)
    first = loader.compose(master, ["workload=vector_add", "workload.size=1"])
    before = OmegaConf.to_container(first)
    first.workload.size = 99
    first.hydra.job.num = 7
    second = loader.compose(master, ["workload=vector_add", "workload.size=1"])
    assert OmegaConf.to_container(second) == before


def test_a_wrong_value_is_refused_with_hydras_message_even_after_a_right_one(hydra_loader, master):
    loader = PointLoader(hydra_loader)
    loader.compose(master, ["worker.start_timeout=1"])
    with pytest.raises(HydraException, match="start_timeout"):
        loader.compose(master, ["worker.start_timeout=soon"])


def test_a_copy_in_another_process_composes_for_itself(hydra_loader, master):
    loader = PointLoader(hydra_loader)
    overrides = ["workload=vector_add", "workload.size=3"]
    composed = OmegaConf.to_container(loader.compose(master, overrides))
    travelled = pickle.loads(pickle.dumps(loader))
    assert OmegaConf.to_container(travelled.load_sweep_config(master, overrides)) == composed
