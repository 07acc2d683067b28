"""Makes plugins known to Hydra that no package ``hydra_plugins`` holds, and gives them Hydra's own to derive from."""

from __future__ import annotations

from collections.abc import Mapping

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from pipeline.hydra_glue.versions import HYDRA

# Hydra 1.3, when it looks for plugins, executes the modules of its own ones once more: classes derived from those of
# before would have bases that nothing else knows. So it looks for them first.
Plugins.instance()

from hydra._internal.core_plugins.basic_launcher import BasicLauncher  # noqa: E402
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: E402

__all__ = ["BasicLauncher", "BasicSweeper", "plugin_name", "register"]


def plugin_name(module: str, name: str) -> str:
    """The ``_target_`` of a plugin.

    Hydra 1.3 takes plugins only if their names begin with ``hydra_plugins``. Ours are registered under such names and
    no module has them: a package of that name in the wheel would be another top-level name where it is installed.
    """
    return f"{module}.{name}" if HYDRA >= (1, 4) else f"hydra_plugins.callring.{name}"


def register(plugin: type, options: Mapping[str, type]) -> None:
    """Makes one plugin known.

    Args:
        plugin: the class.
        options: its configuration, by the group and option that choose it: ``{"hydra/sweeper/points": PointsConfig}``.
    """
    plugins, store = Plugins.instance(), ConfigStore.instance()
    plugins.register(plugin)
    plugins.class_name_to_class[plugin_name(plugin.__module__, plugin.__name__)] = plugin
    for place, config in options.items():
        group, _, option = place.rpartition("/")
        store.store(group=group, name=option, node=config, provider="callring")
