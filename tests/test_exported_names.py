"""What each package promises to people who import it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXPORTED = {
    "keras_sranogan": {
        "EvaluationOptions": "keras_sranogan.evaluation.evaluate",
        "Run": "keras_sranogan.run",
        "TrainSettings": "keras_sranogan.settings",
        "evaluate": "keras_sranogan.evaluation.evaluate",
        "open_source": "keras_sranogan.data.open",
        "preset": "keras_sranogan.presets",
        "train": "keras_sranogan.training.train",
    },
    "sranogan_export": {
        "ExportOptions": "sranogan_export.recipe",
        "ExportResult": "sranogan_export.write_bundle",
        "export_run": "sranogan_export.write_bundle",
    },
}
NAMES = [(package, name) for package, names in EXPORTED.items() for name in names]


@pytest.mark.parametrize("package", EXPORTED)
def test_exported_names_are_these(package: str) -> None:
    """No name more, none less, all listed, and what is not exported is no attribute."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(EXPORTED[package])
    assert set(EXPORTED[package]) <= set(dir(module))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        module.trian  # noqa: B018  # asking for it is the test


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_exported_names_are_callable_whatever_was_imported(package: str, name: str) -> None:
    """Each is a function or a class, also after its module was imported: none is a module."""
    importlib.import_module(EXPORTED[package][name])
    found = getattr(importlib.import_module(package), name)
    assert callable(found)
    assert found.__module__ == EXPORTED[package][name]


@pytest.mark.parametrize("package", EXPORTED)
def test_importing_a_package_loads_no_tensorflow(package: str) -> None:
    """The import itself takes no seconds: TensorFlow comes with the first name that needs it."""
    script = f"import sys, {package}; print(sorted({{'tensorflow', 'keras', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_imports_what_there_is() -> None:
    """Every name that an example of docs/api.md imports from these packages is exported."""
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    lines = re.findall(
        r"^from (keras_sranogan|sranogan_export|sranogan_edge) import (.*)$", page, re.MULTILINE
    )
    asked = {(package, name) for package, names in lines for name in names.split(", ")}
    assert {package for package, _ in asked} == {"keras_sranogan", "sranogan_export", "sranogan_edge"}
    for package, name in asked:
        assert name in importlib.import_module(package).__all__
