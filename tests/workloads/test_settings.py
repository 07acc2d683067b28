"""Settings of programs are strict: a misspelt key, a wrong type or a value out of range is named."""

import dataclasses

import numpy as np
import pytest
from omegaconf import OmegaConf

from pipeline.workloads.base import parse_settings
from pipeline.workloads.digit_network import load_weights
from pipeline.workloads.digits import WEIGHTS
from pipeline.workloads.matmul import Matmul
from pipeline.workloads.matmul import Settings as MatmulSettings
from pipeline.workloads.mlp_digits import Settings as MlpSettings
from pipeline.workloads.vector_add import Settings as VectorAddSettings
from pipeline.workloads.vector_add import VectorAdd
from runtime.errors import ConfigurationError

ALL = [VectorAddSettings, MatmulSettings, MlpSettings]


@pytest.mark.parametrize(
    ("settings", "values", "said"),
    [
        (VectorAddSettings, {"sise": 4}, r"workload\.sise=4: no such key; did you mean size\?"),
        (VectorAddSettings, {"zzz": 4}, r"workload\.zzz=4: no such key; known are size, seed"),
        (VectorAddSettings, {"size": "4"}, r"workload\.size='4': an integer"),
        (VectorAddSettings, {"size": 4.0}, r"workload\.size=4\.0: an integer"),
        (VectorAddSettings, {"size": True}, r"workload\.size=True: an integer"),
        (VectorAddSettings, {"size": 0}, r"workload\.size=0: at least 1"),
        (VectorAddSettings, {"seed": -1}, r"workload\.seed=-1: 0 or more"),
        (MatmulSettings, {"tile_m": 0}, r"workload\.tile_m=0: at least 1"),
        (MatmulSettings, {"tile_n": 65, "tile_k": 228}, r"workload\.tile_k=228: at most 227 with tile_n=65"),
        (MatmulSettings, {"tile_n": 20000}, r"tile_n=20000 is too wide for any tile_k; at most 16384"),
        (MlpSettings, {"batch": 0}, r"workload\.batch=0: at least 1"),
        (MlpSettings, {"min_accuracy": 95}, r"workload\.min_accuracy=95: 0 to 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(settings, values, said):
    with pytest.raises(ConfigurationError, match=said):
        parse_settings(settings, values)


def test_the_largest_tile_that_fits_is_accepted():
    assert parse_settings(MatmulSettings, {"tile_n": 65, "tile_k": 227}).tile_k == 227


def test_an_integer_is_accepted_where_a_float_is_expected():
    assert parse_settings(MlpSettings, {"min_accuracy": 1}).min_accuracy == 1.0


@pytest.mark.parametrize("settings", ALL)
def test_settings_are_a_schema_that_omegaconf_understands(settings):
    plain = OmegaConf.to_container(OmegaConf.structured(settings))
    assert parse_settings(settings, plain) == settings()
    assert dataclasses.fields(settings)


@pytest.mark.parametrize("program", [VectorAdd, Matmul])
def test_a_program_without_chips_is_refused(program):
    with pytest.raises(ConfigurationError, match=r"topology\.chips=0: .* needs at least one, for "):
        program({}, (), 2)


def network(**changes):
    with np.load(WEIGHTS) as file:
        return {**{name: file[name] for name in file.files}, **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (network(b1=np.zeros(3, np.float32)), r"b1 is float32 \(3,\), expected float32 \(128,\)"),
        (network(w2=np.zeros((128, 10))), r"w2 is float64"),
        (network(heldout=np.array([1797])), r"indices from 0 to 1796"),
        (network(heldout=np.empty(0, np.int64)), r"at least one"),
        ({"w1": np.zeros(1)}, r"not a network of this workload"),
    ],
)
def test_a_file_that_is_no_network_is_refused_with_the_reason(tmp_path, content, said):
    np.savez(tmp_path / "weights.npz", **content)
    with pytest.raises(ConfigurationError, match=said):
        load_weights(tmp_path / "weights.npz")


def test_a_network_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"absent\.npz': no such file"):
        load_weights(tmp_path / "absent.npz")


@pytest.mark.parametrize("content", [b"PK\x03\x04 and then nothing", b"", b"text"])
def test_a_network_file_that_is_broken_is_named(tmp_path, content):
    (tmp_path / "broken.npz").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"broken\.npz': not a network"):
        load_weights(tmp_path / "broken.npz")


def test_a_file_with_a_single_array_is_no_network(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ConfigurationError, match=r"one\.npy': not a network"):
        load_weights(tmp_path / "one.npy")
