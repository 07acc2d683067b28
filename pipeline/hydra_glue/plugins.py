"""Registers plugins that are not in a package ``hydra_plugins`` with Hydra, and imports the plugins' base classes."""

from __future__ import annotations

from collections.abc import Mapping

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from pipeline.hydra_glue.versions import HYDRA

# When Hydra 1.3 searches for plugins, it executes the modules of its own plugins again: classes that derive from the
# old classes would have unknown bases. So the search comes first.
Plugins.instance()

from hydra._internal.core_plugins.basic_launcher import BasicLauncher  # noqa: E402
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: E402

__all__ = ["BasicLauncher", "BasicSweeper", "plugin_name", "register"]


def plugin_name(module: str, name: str) -> str:
    """The ``_target_`` of a plugin.

    Hydra 1.3 accepts plugins only if their names begin with ``hydra_plugins``. Callring registers its plugins under
    such names without a module: a package of that name in the wheel would be another installed top-level name.
    """
    return f"{module}.{name}" if HYDRA >= (1, 4) else f"hydra_plugins.callring.{name}"


def register(plugin: type, options: Mapping[str, type]) -> None:
    """Registers one plugin.

    Args:
        plugin: the class.
        options: its configuration, by group and option, for instance ``{"hydra/sweeper/points": PointsConfig}``.
    """
    plugins, store = Plugins.instance(), ConfigStore.instance()
    plugins.register(plugin)
    plugins.class_name_to_class[plugin_name(plugin.__module__, plugin.__name__)] = plugin
    for place, config in options.items():
        group, _, option = place.rpartition("/")
        store.store(group=group, name=option, node=config, provider="callring")
