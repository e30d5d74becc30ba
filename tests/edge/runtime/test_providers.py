"""ONNX Runtime's providers: the one that is asked for, or an error with the cure."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.errors import BackendError, ExitCode, SettingsError
from sranogan_edge.runtime.backends import reads_onnx
from sranogan_edge.runtime.graph import open_graph
from sranogan_edge.runtime.providers import PROVIDERS, Provider, _checked, open_session, provider_of
from tests.support.onnx_files import sum_and_difference

onnxruntime = pytest.importorskip("onnxruntime")

MISSING = [
    name
    for name, one in PROVIDERS.items()
    if one.key not in onnxruntime.get_available_providers() and not (one.plugin and find_spec(one.plugin))
]


def test_cpu_by_name() -> None:
    """onnx:cpu is onnx: the same provider, and the label says which one ran."""
    labels = {
        open_graph(sum_and_difference(), name="t", backend=name).backend for name in ("onnx", "onnx:cpu")
    }
    assert labels == {f"onnxruntime {onnxruntime.__version__} (CPU)"}


@pytest.mark.parametrize("name", MISSING)
def test_a_provider_that_is_not_there_is_no_cpu(name: str) -> None:
    """Asked for and not built in is an error with the package to install; nothing runs in its name."""
    with pytest.raises(BackendError, match=rf"onnx:{name} cannot be used here: .*`pip install ") as refused:
        open_graph(sum_and_difference(), name="t", backend=f"onnx:{name}")
    assert PROVIDERS[name].package in str(refused.value)
    assert "--backend onnx:cpu" in str(refused.value)
    assert refused.value.exit_code == ExitCode.NO_BACKEND


def test_operators_left_to_the_cpu_stand_in_the_label() -> None:
    """A provider that takes no operator is not said to have run alone."""
    azure = Provider("azure", "Azure", "AzureExecutionProvider", "onnxruntime", "nothing")
    if azure.key not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no provider that takes no operator")
    _, label = open_session(onnxruntime, sum_and_difference(), azure, 1)
    assert label.endswith("(Azure, some operators on the CPU)")


def test_a_provider_that_does_not_start_is_no_cpu() -> None:
    """A provider that ONNX Runtime leaves out, as it does where libraries lack, is an error."""
    absent = Provider("cuda", "CUDA", "CUDAExecutionProvider", "onnxruntime-gpu", "a card")
    session = onnxruntime.InferenceSession(sum_and_difference(), providers=["CPUExecutionProvider"])
    with pytest.raises(BackendError, match=r"could not start CUDAExec.* would compute on the CPU"):
        _checked(session, absent)


@pytest.mark.parametrize(
    "content", [None, "raise ImportError('no such library')", "get_library_path = lambda: __file__"]
)
def test_a_plugin_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A plug-in that is missing, or whose library ONNX Runtime does not take, is an error and no CPU."""
    if PROVIDERS["webgpu"].key in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has WebGPU built in")
    monkeypatch.setitem(sys.modules, PROVIDERS["webgpu"].plugin, None)  # gone again after the test
    del sys.modules[PROVIDERS["webgpu"].plugin]
    if content is not None:
        (tmp_path / f"{PROVIDERS['webgpu'].plugin}.py").write_text(content + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BackendError, match=r"onnx:webgpu cannot be used here"):
        open_graph(sum_and_difference(), name="t", backend="onnx:webgpu")


def test_unknown_provider_names_those_that_there_are() -> None:
    """A provider that does not exist is a usage error with the list."""
    with pytest.raises(SettingsError, match=r"no ONNX Runtime provider 'gpu'; .*onnx:cuda"):
        provider_of("gpu")
    with pytest.raises(SettingsError, match=r"no backend 'onnx:gpu' .*; choose one of .*onnx:openvino"):
        open_graph(b"", name="t", backend="onnx:gpu")


def test_which_backends_read_onnx() -> None:
    """Onnx and each of its providers take the ONNX graphs, everything else TFLite's."""
    assert all(reads_onnx(name) for name in ("onnx", "onnx:cpu", "onnx:cuda"))
    assert not any(reads_onnx(name) for name in ("auto", "xnnpack", "gpu", "delegate:onnx"))


def test_a_broken_graph_is_the_graphs_fault() -> None:
    """What no provider can load is told as such, with the name of the graph."""
    with pytest.raises(BackendError, match=r"'t' cannot be loaded by onnxruntime .* \(CPU\)"):
        open_graph(b"x", name="t", backend="onnx:cpu")


@pytest.mark.parametrize("name", [name for name, one in PROVIDERS.items() if one.plugin])
def test_a_plugin_serves_every_graph_of_a_process(name: str) -> None:
    """Once registered it takes the second graph as the first, and computes in float32 like the CPU."""
    pytest.importorskip(PROVIDERS[name].plugin, reason=f"no plug-in of {name} is installed")
    given = {"a": np.full((1, 2, 3), 1 / 3, np.float32), "b": np.full((1, 2, 3), 1e-3, np.float32)}
    for _ in range(2):
        try:
            graph = open_graph(sum_and_difference(), name="t", backend=f"onnx:{name}")
        except BackendError as error:
            pytest.skip(f"the plug-in has no device here: {error}")
        assert graph.backend.endswith(f"({PROVIDERS[name].label})")
        np.testing.assert_allclose(graph(given)["sum"], given["a"] + given["b"], rtol=1e-6)
        graph.close()
