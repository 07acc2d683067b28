"""A minimal Debian on this machine: a root directory made by debootstrap, with a clone of the last commit.

Its processes share this machine's kernel, network and devices, but none of its packages. Mounts are in their own
namespace and end with the process in every case.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.fresh.readme import ROOT

RELEASES = ("bookworm", "trixie", "sid")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PROJECT = "srv/project"
_USER = "newcomer"


def reason_not_to() -> str:
    """The reason why no machine can be made here; empty if one can."""
    if os.geteuid() != 0:
        return "needs root, to make a Debian system of its own"
    missing = [name for name in ("debootstrap", "unshare", "git") if shutil.which(name) is None]
    if missing:
        return f"needs {' and '.join(missing)}: apt-get install {' '.join(missing)}"
    # Containers are often not allowed to mount.
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return f"cannot mount here: {probe.stderr.strip()}" if probe.returncode != 0 else ""


class Machine:
    """A new machine of a release, in ``folder``/``release``. It is a copy of a base that stays there for later
    machines.

    Args:
        release: one of RELEASES.
        folder: where root folders are kept; about a gigabyte each.
        sudo: whether commands run as a user with sudo, not as root.
    """

    def __init__(self, release: str, folder: Path, *, sudo: bool) -> None:
        self._root = folder / release
        self._sudo = sudo
        base = folder / f"{release}.base"
        if not (base / ".ready").is_file():
            _remove(base)
            base.mkdir(parents=True)
            command = ["debootstrap", "--variant=minbase", "--include=ca-certificates,git", release, str(base)]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            (base / ".ready").touch()
        _remove(self._root)
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(self._root)], check=True)
        # Packages come from the same servers and proxies as this machine's.
        for file in (_CERTIFICATES, Path("/etc/resolv.conf"), Path("/etc/hosts")):
            if file.is_file():
                shutil.copyfile(file, f"{self._root}{file}")
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self._root / _PROJECT)], check=True)
        if sudo:
            self._chroot(
                "apt-get update -q && apt-get install -y -q --no-install-recommends sudo && "
                f"useradd -m {_USER} && echo '{_USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{_USER} && "
                f"chown -R {_USER} /{_PROJECT}",
                user="root",
            ).check_returncode()

    def run(self, line: str) -> int:
        """Runs a line in the clone; its output goes to this process's output. Returns its exit status."""
        return self._chroot(f"cd /{_PROJECT}; {line}", user=_USER if self._sudo else "root").returncode

    def _chroot(self, line: str, user: str) -> subprocess.CompletedProcess[bytes]:
        root = shlex.quote(str(self._root))
        mounts = (
            f"mount --rbind /proc {root}/proc && mount --rbind /dev {root}/dev && exec chroot --userspec={user} {root}"
        )
        environment = {
            "HOME": "/root" if user == "root" else f"/home/{user}",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
            "PIP_CERT": str(_CERTIFICATES),
            "SSL_CERT_FILE": str(_CERTIFICATES),
            **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name == "TERM"},
        }
        program = ["bash", "-euo", "pipefail", "-c", line]
        return subprocess.run(
            ["unshare", "--mount", "bash", "-euc", f'{mounts} "$@"', "bash", *program], env=environment, check=False
        )


def _remove(root: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)
