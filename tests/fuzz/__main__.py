"""``python -m tests.fuzz``: builds the fuzzer with clang, ASan and UBSan, and runs one decoder after the other.

Prints executions, coverage and time of each, and exits with 1 if one of them failed. libFuzzer's output and the failing
input stay in a folder that the last line names. Needs clang and its runtime libraries (Debian: ``clang``, and
``libclang-rt-14-dev`` for clang 14).
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.native import presets

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--executions", type=int, default=10_000_000, help="executions of each decoder (default: %(default)s)"
    )
    parser.add_argument("--decoder", action="append", help="only this decoder; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    fuzzer = presets.build("fuzz", "-j2") / "tests" / "fuzz" / "fuzz"
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    failed = []
    for decoder in given.decoder or decoders(fuzzer):
        done, words = fuzz(fuzzer, decoder, given.executions, given.seed, folder / decoder)
        print(f"{decoder:16} {summary(words)}{'' if done else '  FAILED'}", flush=True)
        if not done:
            failed.append(decoder)
    if failed:
        print(f"failed: {', '.join(failed)}; see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def decoders(fuzzer: Path) -> list[str]:
    """The names of all decoders, as the fuzzer lists them."""
    return subprocess.run([fuzzer], capture_output=True, text=True, check=True).stdout.split()


def fuzz(fuzzer: Path, decoder: str, executions: int, seed: int, folder: Path) -> tuple[bool, str]:
    """Runs one decoder from its own seeds. Returns whether it passed, and libFuzzer's output."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    choose = f"--decoder={decoder}"
    subprocess.run([fuzzer, choose, f"--write-seeds={corpus}"], check=True)
    options = [f"-runs={executions}", f"-seed={seed}", f"-artifact_prefix={folder}/", "-max_len=1024"]
    done = subprocess.run(
        [fuzzer, choose, *options, corpus],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=SANITIZERS,
    )
    (folder / "log").write_text(done.stderr)
    return done.returncode == 0, done.stderr


def summary(words: str) -> str:
    """Executions, seconds and coverage from libFuzzer's last lines."""
    runs = re.search(r"Done (\d+) runs in (\d+) second", words)
    coverage = re.findall(r"cov: (\d+) ft: (\d+)", words)
    text = f"{int(runs[1]):>11,} executions in {runs[2]:>4} s" if runs else "did not finish"
    return f"{text}, {coverage[-1][0]} edges" if coverage else text


if __name__ == "__main__":
    sys.exit(main())
