"""TensorRT up to the hardware: the driver's calls on a stand-in in C, what is refused, and in which words."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import BackendError, ExitCode
from sranogan_edge.runtime.backends import check_backend, reads_onnx
from sranogan_edge.runtime.cuda import Card, CudaDriver
from sranogan_edge.runtime.graph import open_graph
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.runtime.tensorrt import check_card

# The functions of NVIDIA's driver that are called, with the signatures of cuda.h, on plain memory.
DRIVER = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef int CUresult; typedef int CUdevice;
typedef void *CUcontext; typedef void *CUstream; typedef uint64_t CUptr;
static size_t used = 0;
CUresult cuInit(unsigned flags) { return START; }
CUresult cuGetErrorString(CUresult code, const char **text) {
    *text = code == 100 ? "no CUDA-capable device is detected" : code == 2 ? "out of memory" : "some error";
    return 0;
}
CUresult cuDeviceGet(CUdevice *device, int number) { *device = 7; return number; }
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    *context = (void *)0x123456789abcULL; return device == 7 ? 0 : 1;
}
static __thread CUcontext current; /* each thread has its own */
CUresult cuCtxSetCurrent(CUcontext context) { current = context; return 0; }
static int here(void) { return current == (void *)0x123456789abcULL ? 0 : 201; }
CUresult cuDeviceGetName(char *name, int size, CUdevice device) { strncpy(name, "Stand-in", size); return 0; }
CUresult cuDriverGetVersion(int *version) { *version = 12060; return 0; }
CUresult cuDeviceGetAttribute(int *value, int number, CUdevice device) {
    *value = number == 75 ? 8 : number == 76 ? 7 : -1; return 0;
}
CUresult cuMemGetInfo_v2(size_t *left, size_t *total) {
    *total = 8ULL << 30; *left = *total - used; return 0;
}
CUresult cuMemAlloc_v2(CUptr *address, size_t size) {
    if (here()) return here();
    if (size > 8ULL << 30) return 2;
    size_t *place = malloc(size + 8);
    *place = size; used += size; *address = (CUptr)(place + 1);
    return 0;
}
CUresult cuMemFree_v2(CUptr address) {
    size_t *place = (size_t *)address - 1;
    used -= *place; free(place); return 0;
}
CUresult cuStreamCreate(CUstream *stream, unsigned flags) { *stream = (void *)0xfedcba987654ULL; return 0; }
static int is(CUstream stream) { return here() ? here() : stream == (void *)0xfedcba987654ULL ? 0 : 400; }
CUresult cuStreamDestroy_v2(CUstream stream) { return is(stream); }
CUresult cuStreamSynchronize(CUstream stream) { return is(stream); }
CUresult cuMemcpyHtoDAsync_v2(CUptr to, const void *from, size_t size, CUstream stream) {
    memcpy((void *)to, from, size); return is(stream);
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUptr from, size_t size, CUstream stream) {
    memcpy(to, (const void *)from, size); return is(stream);
}
"""
GIB = 2**30
CARD = Card("Orin", "8.7", (12, 6), 6 * GIB, 8 * GIB)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], str]:
    """Give a function that builds the stand-in, whose start gives a code."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler to build the stand-in with")

    def build(start: int = 0) -> str:
        folder = tmp_path_factory.mktemp("driver")
        (folder / "cuda.c").write_text(DRIVER)
        library = folder / "libcuda.so.1"
        command = [
            compiler,
            "-shared",
            "-fPIC",
            f"-DSTART={start}",
            "-o",
            str(library),
            str(folder / "cuda.c"),
        ]
        subprocess.run(command, check=True)
        return str(library)

    return build


def test_card_and_memory(driver: Callable[[int], str]) -> None:
    """The card's facts come out of the driver, and its free memory follows what is taken and given back."""
    cuda = CudaDriver(driver(0))
    card = cuda.card()
    assert (card.name, card.capability, card.cuda, card.total) == ("Stand-in", "8.7", (12, 6), 8 * GIB)
    place = cuda.allocate(1000)
    assert cuda.card().free == card.free - 1000
    cuda.free(place)
    assert cuda.card().free == card.free


def test_copies_to_the_card_and_back(driver: Callable[[int], str]) -> None:
    """Arrays come back as they went, each from its own place; addresses keep all their bits."""
    cuda = CudaDriver(driver(0))
    stream = cuda.stream()
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in ((1, 64, 64, 1), (1, 3), (1,))]
    places = [cuda.allocate(array.nbytes) for array in arrays]
    for place, array in zip(places, arrays, strict=True):
        cuda.put(place, array, stream)
    cuda.wait(stream)
    for place, array in zip(places, arrays, strict=True):
        found = np.zeros_like(array)
        cuda.get(found, place, stream)
        cuda.wait(stream)
        np.testing.assert_array_equal(found, array)
        cuda.free(place)
    cuda.end_stream(stream)


def test_another_thread_enters_first(driver: Callable[[int], str]) -> None:
    """A bundle is loaded in one thread and scores in another: that one has to enter, and then may."""
    cuda, found = CudaDriver(driver(0)), list[object]()

    def use(*, entered: bool) -> None:
        try:
            if entered:
                cuda.enter()
            found.append(cuda.allocate(8) > 0)
        except BackendError as error:
            found.append(str(error))

    for entered in (False, True):
        thread = threading.Thread(target=use, kwargs={"entered": entered})
        thread.start()
        thread.join()
    assert "cuMemAlloc failed (201: some error)" in str(found[0])
    assert found[1] is True


def test_codes_of_the_driver_are_errors(driver: Callable[[int], str]) -> None:
    """No card, no memory and anything else end in an error with the driver's words and a cure."""
    with pytest.raises(
        BackendError, match=r"cuInit failed \(100: no CUDA-capable .*finds no card: .*nvidia-smi"
    ):
        CudaDriver(driver(100))
    with pytest.raises(BackendError, match=r"cuInit failed \(3: some error\).*--backend xnnpack"):
        CudaDriver(driver(3))
    with pytest.raises(BackendError, match=r"cuMemAlloc failed \(2: out of memory\).*end them"):
        CudaDriver(driver(0)).allocate(9 * GIB)


def test_without_a_driver(tmp_path: Path) -> None:
    """Where there is no library of the driver, the error says what to install."""
    with pytest.raises(BackendError, match=r"needs an NVIDIA card, and there is no driver.*--runtime nvidia"):
        CudaDriver(str(tmp_path / "libcuda.so.1"))


@pytest.mark.parametrize(
    ("card", "version", "packages", "words"),
    [
        (CARD, "8.5.2", {}, r"TensorRT 8\.5\.2 is too old: 10\.0 or newer"),
        (
            CARD,
            "11.2.1.2",
            {"tensorrt-cu13": "11.2.1.2"},
            r"speaks CUDA 12\.6, and TensorRT 11\.2\.1\.2 needs 13\.0",
        ),
        (replace(CARD, cuda=(11, 4)), "10.3.0", {}, r"speaks CUDA 11\.4, and TensorRT 10\.3\.0 needs 12\.0"),
        (replace(CARD, free=100 * 2**20), "10.3.0", {}, r"has 100 of 8192 MiB free, .* may need 632"),
    ],
)
def test_what_is_too_old_or_too_small(card: Card, version: str, packages: dict[str, str], words: str) -> None:
    """An old TensorRT, an old driver and a full card are told apart, each with its cure."""
    with pytest.raises(BackendError, match=words) as refused:
        check_card(card, version, packages, model_bytes=10 * 2**20)
    assert "--backend" in str(refused.value)
    assert "xnnpack" in str(refused.value)


@pytest.mark.parametrize(
    ("version", "packages", "cuda"),
    [
        ("10.3.0", {}, (12, 6)),
        ("10.16.1.11", {}, (13, 0)),
        ("11.4.0.106", {"tensorrt-cu13": "11.4.0.106"}, (13, 1)),
        ("11.4.0.106", {"tensorrt-cu12": "11.4.0.106"}, (12, 4)),
    ],
)
def test_what_is_new_and_large_enough(version: str, packages: dict[str, str], cuda: tuple[int, int]) -> None:
    """The versions of JetPack 6 and 7, and those of pip, pass on a card with room."""
    check_card(replace(CARD, cuda=cuda), version, packages, model_bytes=10 * 2**20)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle with something in the place of each ONNX graph."""
    found = read_bundle(tiny_bundle)
    names = [f"search_steps_{found.steps}", "reconstruct", "features", "head"]
    return replace(found, onnx=dict.fromkeys(names, b"onnx"))


def test_without_tensorrt(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for and not installed is exit code 8 with how to get it, on a Jetson and on a PC."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        BackendError, match=r"TensorRT cannot be imported .*JetPack.*tensorrt-cu13"
    ) as refused:
        open_detector(bundle, backend="tensorrt")
    assert refused.value.exit_code == ExitCode.NO_BACKEND


def test_a_bundle_that_tensorrt_would_refuse(bundle: Bundle) -> None:
    """What the export found is told before anything is built, with the options that help."""
    told = replace(
        bundle, details={**bundle.details, "tensorrt": {"refused": {"head": "q: zero point is -128"}}}
    )
    graphs = replace(told, onnx={name: model for name, model in told.onnx.items() if name == "head"})
    with pytest.raises(BackendError, match=r"no ONNX graph 'search_steps"):
        open_graphs(graphs, "tensorrt")
    first = f"search_steps_{told.steps}"
    told = replace(told, details={**told.details, "tensorrt": {"refused": {first: "q: zero point is -128"}}})
    with pytest.raises(
        BackendError, match=rf"refuse .*'{first}': q: zero point is -128.*--int8 --symmetric --onnx"
    ):
        open_graphs(told, "tensorrt")


def test_the_name_is_known() -> None:
    """The name is a backend's, which takes the ONNX graphs."""
    check_backend("tensorrt")
    assert reads_onnx("tensorrt")
    assert not reads_onnx("tensorrt:1")


def test_no_card_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TensorRT's module but no driver, it is the driver that is told to be missing."""
    module = type(sys)("tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    if shutil.which("nvidia-smi"):
        pytest.skip("there is a card here")
    with pytest.raises(BackendError, match="no driver of one"):
        open_graph(b"onnx", name="head", backend="tensorrt")
