"""What is known of the machine that scores: processor, memory, system, versions, power mode, temperatures.

Everything is read from files below a root that a test can exchange, and everything may be missing: then
it is None or empty, never an error.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.extras import installed

PACKAGES = (
    "sranogan-edge",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
)
# Instructions that decide how fast int8 is, as /proc/cpuinfo names them on x86-64 and on Arm.
INT8_INSTRUCTIONS = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve", "sve2")
ARM_CORES = {  # /proc/cpuinfo gives part numbers only (Arm's own, implementer 0x41)
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd42": "Cortex-A78AE",
    "0xd4f": "Neoverse-V2",
    "0xd83": "Neoverse-V3AE",
}
BUSY_SHARE = 0.5  # of the cores: with more programs than that waiting, times are not the device's own
NVPMODEL_LIMIT_S = 5


@dataclass(frozen=True)
class DeviceFacts:
    """What a time depends on besides the bundle.

    Attributes:
        model: of the board, as its maker wrote it (``NVIDIA Jetson Orin Nano ...``); None on a PC.
        cpu: of the processor.
        cores: that this process may use.
        instructions: those of :data:`INT8_INSTRUCTIONS` that the processor has.
        governor: of the clock, by core group (``schedutil``, ``performance``), sorted, each once.
        clock_mhz: the present clock of each core group.
        clock_limit_mhz: the highest clock of each core group that is allowed now.
        memory_mib: of the machine.
        system: kernel and architecture.
        distribution: of Linux.
        l4t: release of NVIDIA's Linux for Tegra.
        power_mode: of a Jetson (``nvpmodel -q``).
        temperatures: degrees Celsius by sensor.
        load: average number of programs that ran or waited in the last minute.
        python: version.
        versions: of the packages that compute, those that are installed.
    """

    model: str | None
    cpu: str
    cores: int
    instructions: tuple[str, ...]
    governor: tuple[str, ...]
    clock_mhz: tuple[float, ...]
    clock_limit_mhz: tuple[float, ...]
    memory_mib: int | None
    system: str
    distribution: str | None
    l4t: str | None
    power_mode: str | None
    temperatures: Mapping[str, float]
    load: float | None
    python: str
    versions: Mapping[str, str]

    @property
    def busy(self) -> bool:
        """Whether so much else runs that times are longer than the device's own."""
        return self.load is not None and self.load > BUSY_SHARE * self.cores


def read_device(root: Path = Path("/")) -> DeviceFacts:
    """Read the facts from ``root``'s ``proc``, ``sys`` and ``etc``."""
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    clocks = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*"))
    governors = {_text(clock / "scaling_governor") for clock in clocks} - {None}
    return DeviceFacts(
        model=_text(root / "proc/device-tree/model"),
        cpu=_cpu(cpuinfo),
        cores=_cores(),
        instructions=_instructions(cpuinfo),
        governor=tuple(sorted(name for name in governors if name)),
        clock_mhz=_megahertz(clocks, "scaling_cur_freq"),
        clock_limit_mhz=_megahertz(clocks, "scaling_max_freq"),
        memory_mib=_memory_mib(_text(root / "proc/meminfo") or ""),
        system=platform.platform(),
        distribution=_distribution(_text(root / "etc/os-release") or ""),
        l4t=(_text(root / "etc/nv_tegra_release") or "").partition("\n")[0].lstrip("# ") or None,
        power_mode=power_mode(),
        temperatures=temperatures(root),
        load=load_average(root),
        python=sys.version.split()[0],
        versions=installed(PACKAGES),
    )


def temperatures(root: Path = Path("/")) -> dict[str, float]:
    """Return degrees Celsius by sensor; sensors that are asleep are left out."""
    found: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, value = _text(zone / "type"), _text(zone / "temp")
        if value and re.fullmatch(r"-?\d+", value):
            found[_unused(name or zone.name, found)] = int(value) / 1000
    return found


def load_average(root: Path = Path("/")) -> float | None:
    """Return the load of the last minute."""
    text = _text(root / "proc/loadavg") or ""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None


def power_mode(command: str = "nvpmodel") -> str | None:
    """Ask a Jetson for its power mode; None elsewhere."""
    try:
        done = subprocess.run(
            [command, "-q"], capture_output=True, text=True, timeout=NVPMODEL_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_power_mode(done.stdout)


def parse_power_mode(text: str) -> str | None:
    r"""Return the mode's name from what ``nvpmodel -q`` prints (``NV Power Mode: MAXN\n0``)."""
    found = re.search(r"^NV Power Mode:\s*(\S.*)$", text, re.MULTILINE)
    return found.group(1).strip() if found else None


def _text(path: Path) -> str | None:
    """Return a small file's text without the NUL and blanks at its ends, or None."""
    try:
        return path.read_bytes().decode(errors="replace").strip("\0 \n\t") or None
    except OSError:  # also a sensor that is asleep
        return None


def _unused(name: str, taken: Mapping[str, float]) -> str:
    """Return ``name``, with a number where several sensors share it."""
    return next(one for one in (name, *(f"{name} {i}" for i in range(2, 1000))) if one not in taken)


def _cpu(cpuinfo: str) -> str:
    name = _field(cpuinfo, "model name")
    if name:
        return name
    parts = {part.lower() for part in re.findall(r"^CPU part\s*:\s*(\S+)", cpuinfo, re.MULTILINE)}
    arm = set(re.findall(r"^CPU implementer\s*:\s*(\S+)", cpuinfo, re.MULTILINE)) == {"0x41"}
    cores = sorted(ARM_CORES.get(part, f"Arm part {part}") for part in parts) if arm else []
    return " + ".join(cores) or _field(cpuinfo, "Hardware") or platform.processor() or platform.machine()


def _instructions(cpuinfo: str) -> tuple[str, ...]:
    found = (_field(cpuinfo, "flags") or _field(cpuinfo, "Features") or "").split()
    return tuple(name for name in INT8_INSTRUCTIONS if name in found)


def _field(cpuinfo: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    return found.group(1).strip() if found else None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _megahertz(clocks: list[Path], name: str) -> tuple[float, ...]:
    values = (_text(clock / name) for clock in clocks)
    return tuple(int(value) / 1000 for value in values if value and value.isdigit())


def _memory_mib(meminfo: str) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", meminfo, re.MULTILINE)
    return int(found.group(1)) // 1024 if found else None


def _distribution(release: str) -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.MULTILINE)
    return found.group(1) if found else None


__all__ = [
    "DeviceFacts",
    "load_average",
    "parse_power_mode",
    "power_mode",
    "read_device",
    "temperatures",
]
