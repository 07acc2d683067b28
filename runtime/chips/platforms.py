"""The check that a chip platform exists in the native registry and can be used here."""

from __future__ import annotations

from runtime import _core
from runtime.errors import ConfigurationError, PlatformUnavailable


def require_platform(name: str) -> None:
    """Refuses a platform that is unknown (ConfigurationError) or not usable here (PlatformUnavailable)."""
    known = {platform["name"]: platform for platform in _core.chip_platforms()}
    if name not in known:
        raise ConfigurationError(f"platform={name!r}: unknown; known are {', '.join(known)}")
    if not known[name]["available"]:
        raise PlatformUnavailable(f"platform={name!r}: {known[name]['missing']}")
