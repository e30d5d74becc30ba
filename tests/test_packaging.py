"""The three distributions: import arrows, dependencies, versions, pins, and an edge without TensorFlow."""

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge import __version__
from sranogan_edge import terminal as cli_common
from sranogan_edge.errors import SettingsError

REPOSITORY = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = {"keras_sranogan": ".", "sranogan_edge": "edge", "sranogan_export": "export"}
LISTS = [
    *sorted((REPOSITORY / "requirements").glob("*.txt")),
    *sorted((REPOSITORY / "edge" / "deploy").glob("requirements*.txt")),
]
VERSION_FILE = REPOSITORY / "edge" / "sranogan_edge" / "__init__.py"
FORBIDDEN = {
    "sranogan_edge": {"tensorflow", "keras", "keras_sranogan", "sranogan_export"},
    "keras_sranogan": {"sranogan_export"},
    "sranogan_export": set[str](),
}
HEAVY = ("tensorflow", "keras", "torch", "scikit-learn", "matplotlib")
OF_THE_SYSTEM = {"tensorrt"}  # JetPack brings it, or pip by the driver's CUDA: no one distribution to declare
DISTRIBUTION_OF = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "mlflow": "mlflow-skinny",
    "paho": "paho-mqtt",
    "sklearn": "scikit-learn",
}
MENDED = {  # the first version without a hole that somebody on the network, or a film, can reach
    "starlette": (1, 5, 1),  # CVE-2026-48710: a Host that makes another path; CVE-2025-62727: slow ranges
    "urllib3": (2, 6, 3),  # CVE-2026-21441: redirects that inflate without a bound
    "cryptography": (46, 0, 5),  # CVE-2026-26007: points outside the subgroup
    "pillow": (12, 1, 1),  # CVE-2026-25990: writes outside of an image
    "jinja2": (3, 1, 6),  # CVE-2025-27516: out of the sandbox
}
EDGE_BUDGET_MB = 500  # a sixth of the training environment; measured 350


def read_pyproject(package: str) -> dict[str, Any]:
    """Give the parsed ``pyproject.toml`` of the distribution that holds ``package``."""
    return tomllib.loads((REPOSITORY / DISTRIBUTIONS[package] / "pyproject.toml").read_text(encoding="utf-8"))


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of every absolute import, also in functions and in ``import_module("...")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.args[0].value


def modules_in(*folders: str) -> dict[str, ast.Module]:
    """Map each Python file below these folders to its tree."""
    files = sorted(file for folder in folders for file in (REPOSITORY / folder).rglob("*.py"))
    return {str(file.relative_to(REPOSITORY)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def top_level_imports(package: str) -> dict[str, set[str]]:
    """Map each top-level package that ``package`` imports to the files that import it."""
    root = REPOSITORY / DISTRIBUTIONS[package]
    found: dict[str, set[str]] = {}
    files = sorted((root / package).rglob("*.py"))
    assert files, f"no source lies below {root / package}"
    for file in files:
        for name in imported_names(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
            if not name.startswith("."):
                found.setdefault(name.partition(".")[0], set()).add(str(file.relative_to(REPOSITORY)))
    return found


def declared_dependencies(package: str) -> set[str]:
    """Give the normalised names of the dependencies that ``package`` declares, extras included."""
    project = read_pyproject(package)["project"]
    extras = project.get("optional-dependencies", {}).values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {normalise(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in lines}


def normalise(name: str) -> str:
    """Write a distribution's name as pip compares it: ``tf_keras`` -> ``tf-keras``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and give what it printed; a failure shows both its streams."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments} left with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_import_arrows_run_one_way(package: str) -> None:
    """No file imports against ``sranogan_edge <- keras_sranogan <- sranogan_export``, even in a function."""
    imports = top_level_imports(package)

    assert {name: imports[name] for name in FORBIDDEN[package] & imports.keys()} == {}


def test_tests_share_helpers_and_not_tests() -> None:
    """No test module imports another one, and no benchmark a test: what two need is a module of its own."""
    imports = {
        file: {name for name in imported_names(tree) if name.split(".")[0] == "tests"}
        for file, tree in modules_in("tests", "benchmarks").items()
    }
    assert any(imports.values())
    crossed = {
        file: names
        for file, names in imports.items()
        if any(part.startswith("test_") for name in names for part in name.split("."))
        or (file.startswith("benchmarks") and names)
    }
    assert crossed == {}


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_every_import_is_a_declared_dependency(package: str) -> None:
    """What a package imports is its own, of the standard library, or declared in its ``pyproject.toml``."""
    declared = declared_dependencies(package)
    undeclared = {
        name: files
        for name, files in top_level_imports(package).items()
        if name not in sys.stdlib_module_names | OF_THE_SYSTEM
        and name != package
        and normalise(DISTRIBUTION_OF.get(name, name)) not in declared
    }

    assert undeclared == {}


def test_no_lower_bound_lets_in_a_known_hole() -> None:
    """What may be installed is new enough for what is known of it, in every list of dependencies."""
    found: dict[str, set[tuple[int, ...]]] = {}
    for package in DISTRIBUTIONS:
        read = read_pyproject(package)
        project = read["project"]
        lists = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
        lists += read.get("dependency-groups", {}).values()
        for one in (text for listed in lists for text in listed if isinstance(text, str)):
            name = normalise(re.split(r"[ \[><=;]", one)[0])
            if name in MENDED:
                bound = re.search(r">=([\d.]+)", one)
                found.setdefault(name, set()).add(tuple(map(int, bound[1].split("."))) if bound else ())
    assert found.keys() == MENDED.keys()
    assert {name: least for name, bounds in found.items() if (least := min(bounds)) < MENDED[name]} == {}


def test_edge_imports_leave_the_training_stack_alone(tmp_path: Path) -> None:
    """A process with every module of ``sranogan_edge`` imported holds neither TensorFlow, Keras nor torch."""
    script = """
import importlib, json, pkgutil, sys
import sranogan_edge
names = [m.name for m in pkgutil.walk_packages(sranogan_edge.__path__, "sranogan_edge.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
heavy = {"tensorflow", "keras", "torch", "keras_sranogan", "sranogan_export"}
print(json.dumps([len(names), sorted(heavy & set(sys.modules))]))
"""
    modules, heavy = json.loads(run(sys.executable, "-c", script, cwd=tmp_path))

    assert modules > 0
    assert heavy == []


SCRIPTS: dict[str, str] = {
    name: target
    for package in DISTRIBUTIONS
    for name, target in read_pyproject(package)["project"]["scripts"].items()
}


@pytest.mark.parametrize(("script", "target"), SCRIPTS.items())
def test_console_script_target_imports(script: str, target: str) -> None:
    """Each console script points at a function that exists."""
    module, _, function = target.partition(":")

    assert callable(getattr(importlib.import_module(module), function)), script


def test_the_version_stands_in_one_place() -> None:
    """All three take ``sranogan_edge.__version__``; no other tracked file but old figures names it."""
    for package in DISTRIBUTIONS:
        pyproject = read_pyproject(package)
        assert "version" not in pyproject["project"]
        folder = REPOSITORY / DISTRIBUTIONS[package]
        assert (folder / pyproject["tool"]["hatch"]["version"]["path"]).resolve() == VERSION_FILE
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = run("git", "grep", "-lFw", __version__, "--", ":!requirements", ":!*.json", cwd=REPOSITORY)
    figures = {"docs/method/bench.md"}  # a table as it was printed
    assert set(tracked.splitlines()) - figures == {str(VERSION_FILE.relative_to(REPOSITORY))}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_command_tells_its_version(name: str) -> None:
    """``--version`` prints name and version, in less time than TensorFlow takes to import."""
    module, _, function = SCRIPTS[name].partition(":")
    script = (
        f"import sys; sys.argv = ['{name}', '--version']\n"
        f"from {module} import {function}\n"
        f"try: {function}()\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    assert run(sys.executable, "-c", script, cwd=REPOSITORY) == f"{name} {__version__}\n"


def test_distributions_of_two_versions_refuse_to_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command says which distribution is of another version, and what to do."""
    monkeypatch.setattr(cli_common, "installed", lambda _names: {"keras-sranogan": "9.9.9"})
    with pytest.raises(SettingsError, match=r"keras-sranogan 9\.9\.9\. All must be of one version"):
        cli_common._check_versions()


def test_no_message_or_page_names_a_distribution_to_an_index() -> None:
    """Nobody has registered our names: what a user is told to install is a path or a wheel."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    own = r"(keras-sranogan|sranogan-edge|sranogan-export)"
    told = rf"pip3? install ([^|`]*[ '\"])?{own}([ '\"`\[]|$)"
    done = subprocess.run(
        ["git", "grep", "-nE", told, "--", ":!tests/test_packaging.py"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")
@pytest.mark.parametrize(
    ("target", "asked", "runs"),
    [
        ("test", "", ".venv/bin/python -m pytest"),
        ("test", sys.executable, "build/python{0.major}.{0.minor}/bin/python -m pytest"),
        ("test", "no-such-python", "no-such-python does not serve"),
        ("test-edge", "", "in 3.10 3.11 3.12 3.13; do"),
        ("test-edge", sys.executable, "in {1}; do"),
    ],
)
def test_a_python_of_choice_has_an_environment_of_its_own(target: str, asked: str, runs: str) -> None:
    """``make TARGET PYTHON=...`` leaves .venv alone; without it all is in .venv."""
    told = run("make", "--dry-run", target, f"PYTHON={asked}", cwd=REPOSITORY)
    assert runs.format(sys.version_info, sys.executable) in told


@pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.name)
def test_compiled_requirements_pin_with_hashes_and_name_no_registry(listed: Path) -> None:
    """A compiled list holds only ``name==version`` with SHA-256 hashes: no URL, host or index."""
    text = listed.read_text(encoding="utf-8")
    entries = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]

    assert entries
    assert not re.search(r"://|--index|--extra-index|find-links|--trusted-host|\bfile:", text)
    entry = re.compile(r"[A-Za-z0-9._-]+==[^\s;]+( ;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [line for line in entries if not entry.fullmatch(line)] == []


def test_no_lock_file_is_tracked() -> None:
    """Git tracks no lock file, for each records a registry's address."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = run("git", "ls-files", cwd=REPOSITORY).splitlines()

    locks = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "package-lock.json"}
    assert [path for path in tracked if Path(path).name in locks] == []


@pytest.mark.slow
def test_edge_installs_without_the_training_stack(tmp_path: Path) -> None:
    """The edge wheel, alone in an empty environment, brings no training stack, and its command runs."""
    leftovers = shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    source = shutil.copytree(REPOSITORY / "edge", tmp_path / "edge", ignore=leftovers)
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = (scripts / "python", "-m", "pip", "--disable-pip-version-check")

    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("sranogan_edge-*.whl")
    run(*pip, "install", wheel, cwd=tmp_path)

    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
    listed = json.loads(run(*pip, "list", "--format=json", cwd=tmp_path))
    installed = {normalise(entry["name"]) for entry in listed}
    megabytes = sum(file.stat().st_size for file in (tmp_path / "venv").rglob("*") if file.is_file()) / 1e6
    started = time.perf_counter()
    run(scripts / "python", "-c", "import sranogan_edge.commands.score", cwd=tmp_path)
    import_s = time.perf_counter() - started
    print(f"edge environment: {megabytes:.0f} MB, {len(installed)} distributions, import in {import_s:.2f} s")

    assert "sranogan_edge/py.typed" in members
    assert any(member.endswith("licenses/LICENSE") for member in members)
    assert installed.isdisjoint(HEAVY)
    assert megabytes < EDGE_BUDGET_MB
    assert "Usage" in run(scripts / "sranogan-score", "--help", cwd=tmp_path)
