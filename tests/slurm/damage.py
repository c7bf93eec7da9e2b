"""The programs of a cluster behind small scripts that damage their answers, as busy clusters and full disks do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lilong.agent.engines.slurm.install import install, plan_installation
from tests.slurm.site import Site

DAMAGED = ("squeue", "sacct", "scontrol", "sbatch")
UNTOUCHED = ("scancel", "sacctmgr", "sinfo", "srun")
# What an answer becomes; `half` takes a per cent of it. `unasked` and `unheard` are errors before and after the effect.
FAULTS = ("empty", "half", "garbled", "mixed", "late", "unasked", "unheard")
LATE_S = 30
SCRIPT = """#!/bin/sh
read -r fault share 2> /dev/null < "$0.fault"
case "$fault" in
empty) {program} "$@" > /dev/null 2>&1 ;;
half) {program} "$@" | perl -0777 -pe '$_ = substr($_, 0, length() * '"$share"' / 100)' ;;
garbled) {program} "$@" | tr '0-9A-Z' '\\200-\\243' ;;
mixed) {program} "$@" | sed -e '1,$s/^/{name}: error: slurm_receive_msg: Zero Bytes were transmitted\\n/' ;;
header) {program} "$@" | head -n 1 ;;
late) sleep {late_s}; {program} "$@" ;;
unasked) echo "{name}: error: something is wrong here" >&2; exit 1 ;;
unheard) {program} "$@" > /dev/null 2>&1; echo "{name}: error: something is wrong here" >&2; exit 1 ;;
*) exec {program} "$@" ;;
esac
"""


class Damage:
    """A folder in place of a cluster's `bin`; answers are whole until a fault is set."""

    def __init__(self, *, folder: Path, programs: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o755)
        for name in DAMAGED:
            script = SCRIPT.format(program=programs / name, name=name, late_s=LATE_S)
            (folder / name).write_text(script, encoding="utf-8")
            (folder / name).chmod(0o755)
        for name in UNTOUCHED:
            (folder / name).symlink_to(programs / name)

    def set(self, fault: str, *programs: str, share: int = 50) -> None:
        """Damage the answers of these programs from now on; an empty fault leaves them whole."""
        for name in programs or DAMAGED:
            path = self.folder / f"{name}.fault"
            path.with_suffix(".fresh").write_text(f"{fault} {share}\n", encoding="utf-8")
            path.with_suffix(".fresh").rename(path)


@contextmanager
def damaged_site(site: Site, *, folder: Path, helper_waits_s: int = 3) -> Iterator[tuple[Damage, Site]]:
    """Yield damage, and the same cluster with it between cluster and agent, and between cluster and helper."""
    damage = Damage(folder=folder / "bin", programs=site.cluster.bin)
    (folder / "libexec").mkdir(mode=0o755)
    wanted = replace(
        site.installation,
        bin_folder=damage.folder,
        helper=folder / "libexec" / "job-helper",
        settings=folder / "job-helper.json",
        sudoers=folder / "sudoers",
    )
    install(steps=plan_installation(wanted=wanted))
    told = wanted.settings.read_text(encoding="utf-8")
    wanted.settings.write_text(told.replace('"seconds_max": 60', f'"seconds_max": {helper_waits_s}'), encoding="utf-8")
    settings = site.settings.model_copy(
        update={"bin": damage.folder, "helper": wanted.helper, "command_timeout_s": 1, "look_every_s": 0.05}
    )
    yield damage, replace(site, settings=settings, installation=wanted)
