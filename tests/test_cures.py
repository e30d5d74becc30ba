"""Cures that errors name: each option is one of a command, each setting one that can be set."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

from keras_sranogan.settings import TrainSettings
from sranogan_edge.feeds.kinds import FEEDS
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.kinds import SINKS

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = (
    REPOSITORY / "edge" / "sranogan_edge",
    REPOSITORY / "keras_sranogan",
    REPOSITORY / "export" / "sranogan_export",
)
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]+)")
CALL = re.compile(
    r"(?:^|\$ |`|/)(sranogan-(?:train|evaluate|audit|compare|export|demo|score|calibrate|bench)) ([^`#\n]*)",
    re.M,
)
OF_OTHERS = {  # options of other programs that a cure calls
    "upgrade": "pip",
    "system-site-packages": "python -m venv",
    "runtime": "docker",
    "summary": "vulkaninfo",
    "vacuum-time": "journalctl",
    "dist-info": "the end of a folder's name",
    "list": "python -m sranogan_edge.sinks.send_again",
    "xla": "the variable XLA_FLAGS",
    "version": "every program",
    "count": "python -m keras_sranogan.data.phantom",
    "head": "ray start",
    "num-cpus": "ray start",
}
ADVICE = re.compile(
    r"\b(?:[Rr]aise|[Ll]ower|[Ss]et)s? (?:(?:the|its|an?|[a-z]+'s) )*([a-z]+(?:[._][a-z]+)+)\b"
)
OF_CODE = {"onnxruntime.preload_dlls"}


def texts(package: Path) -> Iterator[tuple[str, str]]:
    """Yield each text of the code that is no docstring, joined where it is written in parts; and its file."""
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        notes = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        left_out = notes | {id(part) for node in joined for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [one.value if isinstance(one, ast.Constant) else "{}" for one in node.values]
                yield str(file.relative_to(REPOSITORY)), "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
                yield str(file.relative_to(REPOSITORY)), node.value


def named(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Return what ``pattern`` finds in all texts of the three packages, with the file of each."""
    of_all = (one for package in PACKAGES for one in texts(package))
    return [(file, name) for file, text in of_all for name in pattern.findall(text)]


def options_by_command() -> dict[str, set[str]]:
    """Name the long options of each command."""
    found: dict[str, set[str]] = {}
    for folder in (".", "edge", "export"):
        text = (REPOSITORY / folder / "pyproject.toml").read_text(encoding="utf-8")
        for name, target in tomllib.loads(text)["project"]["scripts"].items():
            module = importlib.import_module(target.partition(":")[0])
            app = getattr(module, f"{name.removeprefix('sranogan-')}_app", None) or module.app
            names = [one for part in get_command(app).params for one in (*part.opts, *part.secondary_opts)]
            found[name] = {"help", *(one[2:] for one in names if one.startswith("--"))}
    return found


def real_options() -> set[str]:
    """Name the long options of all commands."""
    return set().union(*options_by_command().values())


def settings_of(kind: Any, place: str = "") -> Iterator[str]:
    """Yield each setting of a dataclass and of those inside it: its name, and with the places before it."""
    hints = get_type_hints(kind)
    for one in dataclasses.fields(kind):
        yield from {one.name, f"{place}{one.name}"}
        for part in (hints[one.name], *get_args(hints[one.name])):
            if dataclasses.is_dataclass(part):
                yield from settings_of(part, f"{one.name}.")


def test_every_option_that_a_text_names_exists() -> None:
    """No message, help or cure of the three packages names an option that no command has."""
    known = real_options() | OF_OTHERS.keys()
    found = named(OPTION)
    assert len(found) > 100
    assert [(file, name) for file, name in found if name not in known] == []


def test_every_command_in_the_pages_has_its_options() -> None:
    """Each line of README and guide that calls a command names options that this command has."""
    known = options_by_command()
    pages = [REPOSITORY / "README.md", REPOSITORY / "edge" / "README.md"]
    pages += sorted((REPOSITORY / "docs").rglob("*.md"))
    called = [
        (page.name, command, name)
        for page in pages
        for command, rest in CALL.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
        for name in OPTION.findall(rest)
    ]
    assert len(called) > 50
    assert [(page, command, name) for page, command, name in called if name not in known[command]] == []


def test_every_setting_that_a_cure_names_exists() -> None:
    """What a text asks to raise, lower or set is a setting of the service, a feed, a sink or a training."""
    kinds = {Settings, TrainSettings, *FEEDS.values(), *SINKS.values()}
    known = {name for kind in kinds for name in settings_of(kind)}
    found = named(ADVICE)
    assert ("edge/sranogan_edge/image/guard.py", "max_pixels") in found
    assert [(file, name) for file, name in found if name not in known | OF_CODE] == []


def test_the_check_finds_what_is_not_there() -> None:
    """A cure that nobody could follow is found, whatever joins its parts."""
    assert ADVICE.findall("Shrink it, or raise max_bytes if it is genuine.") == ["max_bytes"]
    assert ADVICE.findall("Lower the feed's max_object_bytes, or raise the spool's max_waiting.") == [
        "max_object_bytes",
        "max_waiting",
    ]
    assert OPTION.findall("name it with --no-such-option, or --out.") == ["no-such-option", "out"]
    assert "no-such-option" not in real_options()
    assert "max_bytes" in set(settings_of(Settings))  # of [results]; the check knows names, not their places
