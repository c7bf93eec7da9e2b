"""Slurm, MUNGE and MariaDB as Debian builds them, unpacked into folders of their own and installed nowhere.

No debootstrap: apt picks the packages and checks their signatures, and the host's kernel, shell and users do the rest.
Nothing here needs root.
"""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TREES = REPOSITORY / ".cache" / "slurm" / "trees"
SUITES = {"bookworm": "22.05", "trixie": "24.11"}  # Debian's release, and the release of Slurm in it
PACKAGES = ("slurmctld", "slurmd", "slurmdbd", "slurm-client", "munge", "mariadb-server-core", "libfaketime")
# Slurm's daemons carry a suffix, because Debian chooses the short name by a link that only an installation makes.
PROGRAMS = {
    **{name: f"usr/bin/{name}" for name in ("munge", "sacct", "sacctmgr", "salloc", "sbatch", "scancel", "scontrol")},
    **{name: f"usr/bin/{name}" for name in ("sinfo", "sprio", "squeue", "srun", "sstat")},
    **{name: f"usr/sbin/{name}-wlm" for name in ("slurmctld", "slurmd", "slurmstepd")},
    **{name: f"usr/sbin/{name}" for name in ("mariadbd", "munged", "slurmdbd")},
}
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/lib/*/perl-base", "etc", "var")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_OF_EVERYBODY = "http://deb.debian.org/debian/"


class SlurmMissing(RuntimeError):
    """No cluster can run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The programs and libraries of a suite below `root`, which has the layout of a Debian system."""

    suite: str
    root: Path

    @property
    def libraries(self) -> Path:
        """Folder of the shared libraries, named after the machine's architecture."""
        return next(self.root.glob("usr/lib/*/slurm-wlm")).parent

    @property
    def plugins(self) -> Path:
        """Folder of Slurm's plugins and of the library that all its programs share."""
        return self.libraries / "slurm-wlm"

    @property
    def loader(self) -> Path:
        """The dynamic loader that belongs to the libraries."""
        return next(self.libraries.glob("ld-linux*.so.*"))

    @property
    def database_texts(self) -> Path:
        """Folder with MariaDB's messages, and with the statements that make its system tables."""
        return next(path.parent for path in self.root.glob("usr/share/*/charsets"))

    @property
    def wrong_clock(self) -> Path:
        """Library that, preloaded, shows a program another time; see faketime(1)."""
        return self.libraries / "faketime" / "libfaketime.so.1"

    def program(self, name: str) -> Path:
        """Return the path of a program of PROGRAMS."""
        return self.root / PROGRAMS[name]


def find_tree(suite: str, *, trees: Path = TREES) -> Tree:
    """Return the tree of a suite, fetching it when it is not there: about 40 MB, some seconds.

    Two processes that ask at once fetch once. Raises SlurmMissing where it cannot be had.
    """
    if suite not in SUITES:
        raise ValueError(f"{suite}: no such suite; there are {', '.join(SUITES)}")
    root = trees / suite
    trees.mkdir(parents=True, exist_ok=True)
    with (trees / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = Tree(suite=suite, root=root)
        if not root.exists() or not tree.wrong_clock.exists():  # an earlier list of packages was without it
            with fresh_folder(trees, prefix=f"{suite}.new-") as folder:
                unpack_packages(PACKAGES, suite=suite, folder=folder)
                missing = [name for name, path in PROGRAMS.items() if not (folder / "tree" / path).exists()]
                if missing:
                    raise RuntimeError(f"Debian's packages no longer hold {', '.join(missing)}")
                if root.exists():
                    root.rename(folder / "old")
                (folder / "tree").rename(root)
    return tree


def unpack_packages(packages: Sequence[str], *, suite: str, folder: Path) -> Path:
    """Unpack packages of a suite, with what they depend on, below `folder` and return the root of that system.

    Raises SlurmMissing where they cannot be had.
    """
    _fetch(packages, suite=suite, folder=folder / "apt")
    _unpack(archives=folder / "apt" / "cache" / "archives", root=folder / "tree")
    return folder / "tree"


@contextmanager
def fresh_folder(parent: Path, *, prefix: str) -> Iterator[Path]:
    for left_by_a_killed_run in parent.glob(f"{prefix}*"):
        shutil.rmtree(left_by_a_killed_run)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)


def _fetch(packages: Sequence[str], *, suite: str, folder: Path) -> None:
    """Download packages and what they depend on with an apt that knows this suite alone and an empty system."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SlurmMissing("It comes as Debian's packages, and there is no apt-get here: use Debian or Ubuntu")
    if not KEYRING.exists():
        raise SlurmMissing(f"{KEYRING} is missing: apt-get install debian-archive-keyring")
    for name in ("etc", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    source = f"deb [signed-by={KEYRING} target=Packages lang=none] {_find_mirror()} {suite} main\n"
    (folder / "etc" / "sources.list").write_text(source, encoding="utf-8")
    settings = folder / "apt.conf"
    settings.write_text(_apt_settings(folder), encoding="utf-8")
    for command in (["update"], ["install", "--yes", "--download-only", *packages]):
        done = subprocess.run(
            ["apt-get", f"--config-file={settings}", "-qq", *command],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            words = f"apt-get {' '.join(command)} failed for {suite}"
            raise SlurmMissing(f"{words}; is its mirror within reach?\n{done.stderr.strip()}")


def _apt_settings(folder: Path) -> str:
    """Return settings that come after the machine's own, so that its proxies and certificates still hold."""
    return f"""
Dir::State "{folder}/";
Dir::State::lists "{folder}/lists/";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache/";
Dir::Etc "{folder}/etc/";
#clear APT::Update;
#clear APT::Default-Release;
#clear DPkg;
APT::Install-Recommends "false";
APT::Sandbox::User "";
"""


def _find_mirror() -> str:
    """Return where this machine gets Debian's own packages from; deb.debian.org where it gets none."""
    columns = "$(REPO_URI)|$(ORIGIN)|$(COMPONENT)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", columns, "Created-By: Packages"],
        check=False,
        capture_output=True,
        text=True,
    )
    for line in listed.stdout.splitlines():
        address, origin, component = line.split("|")
        # The origin is unknown as long as the machine never ran apt-get update.
        if address.rstrip("/").endswith("/debian") and origin in {"Debian", ""} and component == "main":
            return address
    return MIRROR_OF_EVERYBODY


def _unpack(*, archives: Path, root: Path) -> None:
    """Unpack every package into a system whose /bin, /lib and the like are links into /usr, as Debian's are."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    without = [f"--exclude=./{pattern}" for pattern in UNUSED]
    unpack = ["tar", "-x", "-p", "--no-same-owner", "--keep-directory-symlink", *without, "-C", str(root)]
    for package in sorted(archives.glob("*.deb")):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as content:
            subprocess.run(unpack, check=True, stdin=content.stdout)
        if content.returncode != 0:
            raise RuntimeError(f"{package.name} could not be unpacked")
    root.chmod(0o755)
