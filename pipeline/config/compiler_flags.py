"""The compiler flags that a config may set: those that affect the generated code, none that runs a program."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runtime.errors import ConfigurationError

_WITH_VALUE = (
    *("abi-version", "align-functions", "align-jumps", "align-labels", "align-loops", "cf-protection"),
    *("constexpr-depth", "constexpr-loop-limit", "constexpr-ops-limit", "diagnostics-color", "excess-precision"),
    *("fp-contract", "inline-limit", "max-errors", "no-sanitize", "prefetch-loop-arrays", "sanitize"),
    *("sanitize-recover", "simd-cost-model", "stack-reuse", "template-backtrace-limit", "template-depth", "tls-model"),
    *("trivial-auto-var-init", "vect-cost-model", "visibility", "zero-call-used-regs", "debug-prefix-map"),
    *("file-prefix-map", "macro-prefix-map", "random-seed"),
)
"""-f options whose value is neither an output file nor a program."""
_REFUSED_F = "|".join(
    (
        *("plugin", "dump", "module", "profile", "offload", "use-", "callgraph", "opt-info", "save-", "compare-"),
        *("coverage", "test-", "lto", "wpa", "ltrans", "self-", "stack-usage"),
    )
)
"""Prefixes of -f options that load or run a file, or write files."""
_ALLOWED = (
    r"-O([0-3sgz]|fast)?",
    r"-g([0-3]|gdb[0-3]?|dwarf(-[2-5])?|no-[a-z-]+|z(=\w+)?)?",
    r"-[DU][A-Za-z_]\w*(\([\w, .]*\))?(=[^\n]*)?",
    r"-I[^-@\s=][^\n]*",
    r"-std=(c|gnu)\+\+\w+",
    rf"-f(?!{_REFUSED_F})(?!no-(?:{_REFUSED_F}))[a-z][a-z0-9-]*",
    rf"-f({'|'.join(_WITH_VALUE)})=[^\n]+",
    r"-m(?!llvm)[a-z0-9][A-Za-z0-9.+_-]*(=[A-Za-z0-9.,+_-]+)?",
    r"-W[a-z][a-z0-9+-]*(=[A-Za-z0-9+-]+)?",
    r"-Wno-[a-z0-9+-]+",
)
_SAID = "-O -g -D -U -I -std= -f... -m... -W..."


def require_flags(flags: Sequence[str], key: str) -> None:
    """Refuses flags that a config may not set.

    Args:
        flags: arguments of the compiler.
        key: key of the config, for messages.

    Raises:
        ConfigurationError: names the flag and what is allowed.
    """
    for i, flag in enumerate(flags):
        if not isinstance(flag, str) or not any(re.fullmatch(pattern, flag) for pattern in _ALLOWED):
            raise ConfigurationError(
                f"{key}[{i}]={flag!r}: allowed are {_SAID}, each with its value in the same word, except those that "
                "load or run a program or write files of their own"
            )
