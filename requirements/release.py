"""Builds what is given out of a release: wheels, sdists, an SBOM of each distribution, and their digests.

    python requirements/release.py dist

Run by ``make release`` in an environment of its own (``requirements/release.txt``). A wheel is built from its
sdist, so an sdist that lacks something is seen here. The SBOM (CycloneDX, JSON) names the versions of the
compiled list that the distribution is installed with.

Exit codes: 0 built; 1 a tool failed, or the tree differs from its last commit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
# Each distribution's folder, and the list that it is installed from.
DISTRIBUTIONS = {
    "sranogan_edge": ("edge", "edge/deploy/requirements.txt"),
    "keras_sranogan": (".", "requirements/run.txt"),
    "sranogan_export": ("export", "requirements/run.txt"),
}
DIGESTS = "SHA256SUMS"


def run(*command: str | Path) -> str:
    """Run a tool in the repository and return what it printed.

    Raises:
        SystemExit: it failed; the message has what it said.
    """
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: str, out: Path) -> None:
    """Build the sdist of one distribution, and its wheel from that."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, REPOSITORY / folder)


def version_of(package: str, out: Path) -> str:
    """Return the version that stands in the name of the wheel."""
    (wheel,) = out.glob(f"{package}-*.whl")
    return wheel.name.split("-")[1]


def requirement_of(component: dict[str, Any]) -> str:
    """Return a component's requirement, with its marker and without its hashes."""
    line = re.sub(r"\s+--hash=\S+", "", component["description"])
    return line.partition(": ")[2].strip()


def write_sbom(package: str, folder: str, listed: str, out: Path) -> None:
    """Write ``out/PACKAGE-VERSION.cdx.json``: the distribution, and all that it is installed with.

    The tool knows no dynamic version, and links each component to one package index; the list holds for any.
    """
    wanted = ("--pyproject", Path(folder) / "pyproject.toml", "--mc-type", "library", "--output-reproducible")
    tool = (sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements")
    made = json.loads(run(*tool, *wanted, listed))
    root = made["metadata"]["component"]
    root["version"] = version_of(package, out)
    for component in made["components"]:
        component["description"] = requirement_of(component)
        component.pop("externalReferences", None)
    for maker in made["metadata"]["tools"]["components"]:
        maker.pop("externalReferences", None)
    held = sorted(component["bom-ref"] for component in made["components"])
    made["dependencies"] = [{"ref": root["bom-ref"], "dependsOn": held}, *({"ref": ref} for ref in held)]
    path = out / f"{package}-{root['version']}.cdx.json"
    path.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_digests(out: Path) -> None:
    """Write the SHA-256 of each file, as ``sha256sum --check`` reads it."""
    files = sorted(path for path in out.iterdir() if path.name != DIGESTS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (out / DIGESTS).write_text("".join(lines), encoding="utf-8")


def main() -> int:
    """Parse, build, describe, digest."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder for the files; what was in it is removed")
    out = parser.parse_args().out.resolve()
    changed = run("git", "status", "--porcelain")
    if changed:
        raise SystemExit(f"the tree differs from its last commit; commit or remove first:\n{changed}")
    shutil.rmtree(out, ignore_errors=True)
    for package, (folder, listed) in DISTRIBUTIONS.items():
        build(folder, out)
        write_sbom(package, folder, listed, out)
    write_digests(out)
    print((out / DIGESTS).read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
