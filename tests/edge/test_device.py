"""Device facts from made-up machines, and from one that tells nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.device import load_average, parse_power_mode, power_mode, read_device, temperatures

X86 = """processor\t: 0
model name\t: AMD EPYC 9B45
flags\t\t: fpu sse2 avx2 avx512f avx_vnni avx512_vnni avx512_vnni_not
"""
ORIN = """processor\t: 0
Features\t: fp asimd evtstrm aes asimddp i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd42
"""
BIG_LITTLE = (
    ORIN + "\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\nCPU implementer\t: 0x41\nCPU part\t: 0xfff\n"
)


def machine(root: Path, files: dict[str, str]) -> Path:
    """Write a tree of ``/proc``, ``/sys`` and ``/etc``."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_jetson_tells_all(tmp_path: Path) -> None:
    """Board, processor, memory, clocks, release and temperatures are read as the kernel writes them."""
    cpufreq, thermal = "sys/devices/system/cpu/cpufreq", "sys/class/thermal"
    root = machine(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit\0",
            "proc/cpuinfo": ORIN,
            "proc/meminfo": "MemTotal:        7802976 kB\nMemFree:          100 kB\n",
            "proc/loadavg": "0.52 0.58 0.59 1/389 12345\n",
            "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
            "etc/nv_tegra_release": "# R36 (release), REVISION: 3.0, GCID: 36191598\n# KERNEL_VARIANT: oot\n",
            f"{cpufreq}/policy0/scaling_governor": "schedutil\n",
            f"{cpufreq}/policy0/scaling_cur_freq": "729600\n",
            f"{cpufreq}/policy0/scaling_max_freq": "1510400\n",
            f"{cpufreq}/policy4/scaling_governor": "performance\n",
            f"{cpufreq}/policy4/scaling_cur_freq": "1510400\n",
            f"{thermal}/thermal_zone0/type": "cpu-thermal\n",
            f"{thermal}/thermal_zone0/temp": "47968\n",
            f"{thermal}/thermal_zone1/type": "tj-thermal\n",
            f"{thermal}/thermal_zone1/temp": "-1500\n",
        },
    )
    found = read_device(root)
    assert found.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit"
    assert found.cpu == "Cortex-A78AE"
    assert found.instructions == ("asimd", "asimddp", "i8mm")
    assert found.memory_mib == 7620
    assert found.load == 0.52
    assert found.distribution == "Ubuntu 22.04.4 LTS"
    assert found.l4t == "R36 (release), REVISION: 3.0, GCID: 36191598"
    assert found.governor == ("performance", "schedutil")
    assert found.clock_mhz == (729.6, 1510.4)
    assert found.clock_limit_mhz == (1510.4,)
    assert found.temperatures == {"cpu-thermal": 47.968, "tj-thermal": -1.5}


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """Without one file, everything that is read from files is missing, and nothing fails."""
    found = read_device(tmp_path)
    assert (found.model, found.memory_mib, found.distribution, found.l4t, found.load) == (None,) * 5
    assert (found.instructions, found.governor, found.clock_mhz, dict(found.temperatures)) == ((), (), (), {})
    assert found.cpu
    assert found.cores >= 1
    assert found.python
    assert not found.busy


@pytest.mark.parametrize(
    ("cpuinfo", "name", "instructions"),
    [
        (X86, "AMD EPYC 9B45", ("avx2", "avx_vnni", "avx512_vnni")),
        (ORIN, "Cortex-A78AE", ("asimd", "asimddp", "i8mm")),
        (BIG_LITTLE, "Arm part 0xfff + Cortex-A55 + Cortex-A78AE", ("asimd", "asimddp", "i8mm")),
        ("Hardware\t: BCM2835\n", "BCM2835", ()),
    ],
)
def test_processors(tmp_path: Path, cpuinfo: str, name: str, instructions: tuple[str, ...]) -> None:
    """x86 has a name, Arm has part numbers, old boards name the chip; half a flag's name is no flag."""
    found = read_device(machine(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert (found.cpu, found.instructions) == (name, instructions)


def test_sensors_that_are_asleep_or_share_a_name(tmp_path: Path) -> None:
    """A sensor without a number is left out, equal names are told apart, a missing one is the zone's."""
    thermal = "sys/class/thermal"
    files = {
        f"{thermal}/thermal_zone0/type": "soc\n",
        f"{thermal}/thermal_zone0/temp": "40000\n",
        f"{thermal}/thermal_zone1/type": "soc\n",
        f"{thermal}/thermal_zone1/temp": "41000\n",
        f"{thermal}/thermal_zone2/type": "cv0-thermal\n",
        f"{thermal}/thermal_zone3/temp": "42000\n",
        f"{thermal}/thermal_zone4/type": "broken\n",
        f"{thermal}/thermal_zone4/temp": "unknown\n",
    }
    assert temperatures(machine(tmp_path, files)) == {"soc": 40.0, "soc 2": 41.0, "thermal_zone3": 42.0}


@pytest.mark.parametrize("text", ["", "high\n"])
def test_a_load_that_is_no_number(tmp_path: Path, text: str) -> None:
    """An empty or odd file is no load."""
    assert load_average(machine(tmp_path, {"proc/loadavg": text})) is None


def test_busy_is_more_than_half_the_cores(tmp_path: Path) -> None:
    """A load of half the cores is not busy, anything above is."""
    facts = replace(read_device(tmp_path), cores=4)
    assert [replace(facts, load=load).busy for load in (0.0, 2.0, 2.01)] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("NV Fan Mode:quiet\nNV Power Mode: MAXN\n0\n", "MAXN"),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_6CORE\n2\n", "MODE_15W_6CORE"),
        ("NV Power Mode: \n", None),
        ("", None),
    ],
)
def test_power_modes(text: str, mode: str | None) -> None:
    """The mode is found below warnings and other modes; without one there is none."""
    assert parse_power_mode(text) == mode


def test_nvpmodel_is_asked(tmp_path: Path) -> None:
    """The command's answer is read; a command that is missing is no error."""
    command = tmp_path / "nvpmodel"
    command.write_text('#!/bin/sh\n[ "$1" = -q ] && echo "NV Power Mode: 15W"\n')
    command.chmod(0o755)
    assert power_mode(str(command)) == "15W"
    assert power_mode(str(tmp_path / "none")) is None


def test_this_machine() -> None:
    """The machine that runs the tests can be read, and says which NumPy computes."""
    assert "numpy" in read_device().versions
