"""ONNX Runtime's execution providers: the one that was asked for, or an error with the cure, never another.

ONNX Runtime itself goes on with the CPU where a provider's libraries are missing, and leaves single
operators that a provider lacks to the CPU. Here the first is an error, and the second stands in the label.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sranogan_edge.errors import BackendError, SettingsError

__all__ = ["PROVIDERS", "Provider", "open_session", "provider_of"]

CPU = "CPUExecutionProvider"
ERRORS_ONLY, FATAL_ONLY = 3, 4  # of ONNX Runtime's log
NO_CPU = "session.disable_cpu_ep_fallback"
Options = Callable[[int], Mapping[str, str]]
_registered_here = set[str]()  # plug-ins, whose providers are then listed as if they were built in


def _openvino_plugin(threads: int) -> dict[str, str]:
    """OpenVINO's own settings: left to itself, it computes in bfloat16 where the processor can."""
    cpu = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
    return {"load_config": json.dumps({"CPU": cpu})}


@dataclass(frozen=True)
class Provider:
    """One of ONNX Runtime's ways to compute.

    Attributes:
        name: behind ``onnx:`` on the command line.
        label: for people.
        key: what ONNX Runtime calls it.
        package: the distribution of ONNX Runtime that has it built in.
        needs: what must be on the machine besides.
        plugin: module of a distribution that adds it to any ONNX Runtime; "" where there is none.
        options, plugin_options: the provider's own from the number of CPU threads, built in and as a plug-in.
    """

    name: str
    label: str
    key: str
    package: str
    needs: str
    plugin: str = ""
    options: Options = field(default=lambda threads: {})
    plugin_options: Options = field(default=lambda threads: {})


PROVIDERS = {
    one.name: one
    for one in (
        Provider("cpu", "CPU", CPU, "onnxruntime", "nothing more"),
        Provider(
            "cuda",
            "CUDA",
            "CUDAExecutionProvider",
            "onnxruntime-gpu",
            "an NVIDIA driver, CUDA and cuDNN of the versions that this ONNX Runtime was built for",
            options=lambda threads: {"use_tf32": "0"},  # 10 bits of a number drift over a search's steps
        ),
        Provider(
            "tensorrt",
            "TensorRT",
            "TensorrtExecutionProvider",
            "onnxruntime-gpu",
            "an NVIDIA driver, and CUDA and TensorRT of the versions that this ONNX Runtime was built for",
            options=lambda threads: {"trt_int8_enable": "1"},  # it takes the graphs' own scales
        ),
        Provider(
            "openvino",
            "OpenVINO",
            "OpenVINOExecutionProvider",
            "onnxruntime-openvino",
            "an Intel processor, and the OpenVINO of the version that this ONNX Runtime was built for",
            plugin="onnxruntime_ep_openvino",
            options=lambda threads: {
                "device_type": "CPU",
                "precision": "FP32",
                "num_of_threads": str(threads),
            },
            plugin_options=_openvino_plugin,
        ),
        Provider(
            "webgpu",
            "WebGPU",
            "WebGpuExecutionProvider",
            "onnxruntime-webgpu",
            "a GPU with its Vulkan driver, and Vulkan's loader (libvulkan.so.1)",
            plugin="onnxruntime_ep_webgpu",
        ),
    )
}


def provider_of(name: str) -> Provider:
    """Return the provider of that name; raises SettingsError naming those that there are."""
    if name not in PROVIDERS:
        raise SettingsError(
            f"there is no ONNX Runtime provider {name!r}; choose one of "
            f"{', '.join(f'onnx:{one}' for one in PROVIDERS)}"
        )
    return PROVIDERS[name]


def open_session(runtime: Any, model: bytes, provider: Provider, threads: int) -> tuple[Any, str]:
    """Return a session of ``model`` on ``provider``, and what runs it, for people.

    Args:
        runtime: the module ``onnxruntime``.
        model: an ``.onnx`` file's bytes.
        provider: that it must run on.
        threads: of the CPU.

    Raises:
        BackendError: this ONNX Runtime lacks the provider, or cannot start it here.
        Exception: whatever ONNX Runtime raises of a model that it cannot load.
    """
    label = f"onnxruntime {runtime.__version__} ({provider.label})"
    devices = _devices(runtime, provider)
    if provider.key == CPU:
        return _session(runtime, model, provider, threads, devices, strict=False), label
    try:
        return _checked(_session(runtime, model, provider, threads, devices, strict=True), provider), label
    except BackendError:
        raise
    except Exception:  # as likely an operator that the provider lacks; the next call tells
        session = _checked(_session(runtime, model, provider, threads, devices, strict=False), provider)
        return session, f"{label[:-1]}, some operators on the CPU)"


def _devices(runtime: Any, provider: Provider) -> list[Any]:
    """Return the devices of a plug-in that brings the provider; none where it is built in."""
    if provider.key in runtime.get_available_providers() and provider.plugin not in _registered_here:
        return []
    found = _registered(runtime, provider) if provider.plugin else []
    if found:
        return found[:1]
    has = ", ".join(runtime.get_available_providers())
    raise BackendError(
        f"--backend onnx:{provider.name} cannot be used here: onnxruntime {runtime.__version__} has {has}, "
        f"no {provider.key}. Run `pip uninstall onnxruntime` and `pip install {provider.package}`; it needs "
        f"{provider.needs}. Or use --backend onnx:cpu."
    )


def _registered(runtime: Any, provider: Provider) -> list[Any]:
    """Register the plug-in where it is installed; return the devices that it has here."""
    try:
        plugin = import_module(provider.plugin)
    except ImportError:
        return []
    if provider.plugin not in _registered_here:
        try:
            runtime.register_execution_provider_library(provider.plugin, plugin.get_library_path())
            _registered_here.add(provider.plugin)
        except Exception as error:  # ONNX Runtime's errors have no class of their own in common
            raise BackendError(
                f"--backend onnx:{provider.name} cannot be used here: {provider.plugin} and onnxruntime "
                f"{runtime.__version__} do not go together: {error}. Update both with pip, or use "
                "--backend onnx:cpu."
            ) from error
    found = [one for one in runtime.get_ep_devices() if one.ep_name == provider.key]
    if not found:
        raise BackendError(
            f"--backend onnx:{provider.name} cannot be used here: {provider.plugin} finds no device. It "
            f"needs {provider.needs}. Check the driver, or use --backend onnx:cpu."
        )
    return found


def _session(
    runtime: Any, model: bytes, provider: Provider, threads: int, devices: list[Any], *, strict: bool
) -> Any:
    """Make a session; ``strict``: not one operator may be left to the CPU."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = FATAL_ONLY if strict else ERRORS_ONLY
    if strict:
        options.add_session_config_entry(NO_CPU, "1")
    own = dict((provider.plugin_options if devices else provider.options)(threads))
    if devices:
        options.add_provider_for_devices(devices, own)
        return runtime.InferenceSession(model, options, enable_fallback=0)
    return runtime.InferenceSession(model, options, providers=[(provider.key, own)], enable_fallback=0)


def _checked(session: Any, provider: Provider) -> Any:
    """Return the session if the provider is in it: ONNX Runtime leaves out one whose libraries it lacks."""
    if provider.key in session.get_providers():
        return session
    raise BackendError(
        f"--backend onnx:{provider.name} cannot be used here: ONNX Runtime could not start {provider.key} "
        f"and would compute on the CPU. It needs {provider.needs}. Or use --backend onnx:cpu."
    )
