"""Hydra instantiates Callring's sweeper and launcher by names without a package."""

import importlib.util

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

from pipeline.sweep.plugins import (
    InProcessConfig,
    InProcessLauncher,
    PointsConfig,
    PointsSweeper,
    RayConfig,
    RayLauncher,
    register_plugins,
)


@pytest.mark.parametrize(
    ("config", "plugin", "kind"),
    [
        (PointsConfig, PointsSweeper, Sweeper),
        (InProcessConfig, InProcessLauncher, Launcher),
        (RayConfig, RayLauncher, Launcher),
    ],
)
def test_hydra_instantiates_the_plugin_that_its_group_names(config, plugin, kind):
    register_plugins()
    assert type(Plugins.instance()._instantiate(OmegaConf.structured(config))) is plugin
    assert plugin in Plugins.instance().discover(kind)


def test_callring_has_no_package_of_the_name_that_hydra_13_requires():
    others = importlib.util.find_spec("hydra_plugins")
    assert others is None or importlib.util.find_spec("hydra_plugins.callring") is None
