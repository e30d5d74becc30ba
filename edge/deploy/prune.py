"""Takes out of a device's environment what its runner never loads, and says what that saves.

    python3 edge/deploy/prune.py /opt/sranogan/venv --prove chest.sranogan

What goes: the installers (pip, the build backend), tests, stubs and headers of all packages, compilers of
LiteRT, decoders and fonts of Pillow that nothing asks for, and compiled modules, of which Python makes anew
those that it imports. Afterwards nothing more can be installed there: make a new environment instead.

With ``--prove BUNDLE`` its golden images are scored before and after, and scores and heat maps must be equal
to the last bit. ``make device-image`` makes such an environment in build/device.

Exit codes: 0 pruned; 1 the bundle scores otherwise now, or not at all: do not use the environment; 2 no such
environment, or the bundle could not be scored to begin with, and nothing was removed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

INSTALLERS = ("pip", "setuptools", "wheel", "hatchling", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
FOLDERS = ("tests", "test_files", "__pycache__", "include", "f2py", "distutils")  # anywhere below a package
SUFFIXES = (".pyi", ".h", ".a", ".lib", ".c", ".cpp", ".pyx", ".pxd")
NEVER_LOADED = (
    *(f"ai_edge_litert/{name}" for name in ("vendors", "tools", "aot")),  # compilers for chips of their own
    *(f"ai_edge_litert/*{name}*.so" for name in ("analyzer", "converter", "calibration", "modify", "genai")),
    *("google", "tqdm", "ai_edge_litert/*_pb2.py", "ai_edge_litert/**/*_pb2.py"),  # of these compilers
    *("numpy/_core/_simd.*", "pydantic/v1"),
    *("PIL/_avif.*", "pillow.libs/libavif-*"),  # a format that no feed takes
    *("PIL/_imagingft.*", "pillow.libs/libfreetype-*", "pillow.libs/libharfbuzz-*"),  # Pillow's fonts
    "pygments/lexers/[!_p]*.py",  # colours of other languages than a traceback's
)
FOR_GPU = ("ai_edge_litert/libLiteRtWebGpuAccelerator.so", "ml_dtypes")

PROOF = """
import hashlib, json, sys
from pathlib import Path
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector

bundle, found = read_bundle(Path(sys.argv[1])), []
for steps in bundle.budgets:
    detector = open_detector(bundle, steps=steps)
    for said in map(detector.score_x, bundle.golden_x):
        heat = hashlib.sha256(said.heat.tobytes()).hexdigest()
        found.append((steps, float(said.score).hex(), float(said.p_value).hex(), heat))
print(json.dumps(found))
"""


def site_packages(environment: Path) -> Path:
    """Return the folder of the packages; raises FileNotFoundError where ``environment`` is none."""
    found = sorted(environment.glob("lib/python3.*/site-packages"))
    if not found or not (environment / "pyvenv.cfg").exists():
        raise FileNotFoundError(f"{environment} is no environment of Python's venv. Name its folder.")
    return found[0]


def installed_by(packages: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of the distributions ``names``, their commands too."""
    for distribution in importlib.metadata.distributions(path=[str(packages)]):
        if distribution.metadata["Name"].lower() in names:
            yield from (packages / file for file in distribution.files or ())


def unneeded(packages: Path, *, gpu: bool) -> Iterator[Path]:
    """Yield what goes; some of it lies inside other parts of it."""
    yield from installed_by(packages, INSTALLERS)
    for path in packages.rglob("*"):
        if path.name in FOLDERS if path.is_dir() else path.suffix in SUFFIXES:
            yield path
    for pattern in (*NEVER_LOADED, *(() if gpu else FOR_GPU)):
        yield from packages.glob(pattern)


def prune(environment: Path, *, gpu: bool) -> None:
    """Remove what goes, and the folders that are empty then."""
    packages = site_packages(environment)
    for path in list(unneeded(packages, gpu=gpu)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in sorted((path for path in packages.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def scores(environment: Path, bundle: Path | None) -> str | None:
    """Return what ``bundle`` says of its golden images there; None where it says nothing."""
    if bundle is None:
        return ""
    command = [environment.resolve() / "bin" / "python", "-c", PROOF, bundle.resolve()]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=environment)
    return None if done.returncode else done.stdout


def size_mb(folder: Path) -> float:
    """Return what the files below ``folder`` hold, in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def main() -> int:
    """Parse, remove, prove, say the sizes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("environment", type=Path, help="folder of the device's environment")
    parser.add_argument("--gpu", action="store_true", help="keep LiteRT's GPU accelerator (19 MB)")
    parser.add_argument("--prove", type=Path, metavar="BUNDLE", help="score with it before and after")
    chosen = parser.parse_args()
    environment: Path = chosen.environment
    try:
        site_packages(environment)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    before, before_mb = scores(environment, chosen.prove), size_mb(environment)
    if before is None:
        print(f"error: {chosen.prove} cannot be scored there. Nothing was removed.", file=sys.stderr)
        return 2
    prune(environment, gpu=chosen.gpu)
    if scores(environment, chosen.prove) != before:
        print(f"error: {environment} scores otherwise than before. Do not use it.", file=sys.stderr)
        return 1
    proven = ", with the same scores to the last bit" if before else ""
    print(f"{environment}: {before_mb:.0f} MB, pruned to {size_mb(environment):.0f} MB{proven}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
