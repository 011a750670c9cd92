"""Laws of devices: of all kinds, of the one that the CPU plays, and what the adapter tells CuPy."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from elastane.materials.compiler import native
from elastane.solver.device import DEVICES, Device, DeviceError, open_device, simulated
from elastane.solver.device.base import kernel_names
from elastane.solver.device.cupy_device import CupyDevice
from elastane.solver.device.simulated import ORDERS, SimulatedDevice
from tests.solver.fake_cupy import MEMORY, CUDARuntimeError, FakeCupy

#: Each block adds its part of a sum: half of its threads add what the others have, down to one.
TOTAL = """
extern "C" __global__ void total(const double *x, double *sum, long long count) {
  __shared__ double parts[64];
  const int thread = threadIdx.x, threads = blockDim.x;
  const int first = blockIdx.x * threads + thread, stride = gridDim.x * threads;
  double part = 0;
  for (long long i = first; i < count; i += stride) part += x[i];
  parts[thread] = part;
  BARRIER
  for (int half = threads / 2; half > 0; half /= 2) {
    if (thread < half) parts[thread] += parts[thread + half];
    __syncthreads();
  }
  if (thread == 0) atomicAdd(sum, parts[0]);
}
"""

SCALE = """
extern "C" __global__ void scale(float *x, double factor, long long count) {
  const long long i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) x[i] *= factor;
}
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """CuPy for NVIDIA on a machine with two GPUs."""
    module = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@pytest.fixture(params=["simulated", "cuda"])
def device(request: pytest.FixtureRequest, fake: FakeCupy) -> Device:
    return open_device(request.param, 0)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4), (0,), (0, 3)], ids=str)
def test_copies_are_exact_and_counted(device: Device, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).standard_normal(shape)
    first = device.upload(values)
    second = device.zeros(shape, np.float64)
    assert (first.shape, first.dtype, first.size, first.nbytes) == (
        shape,
        np.dtype(np.float64),
        values.size,
        values.nbytes,
    )
    device.copy(first, second)
    device.clear(first)
    target = np.ones(shape)
    assert device.download(second, target) is target
    np.testing.assert_array_equal(target, values)
    np.testing.assert_array_equal(device.download(first), np.zeros(shape))
    assert device.upload(2 * values, first) is first
    np.testing.assert_array_equal(device.download(first), 2 * values)
    transfers = device.transfers
    assert (transfers.uploads, transfers.bytes_up) == (2, 2 * values.nbytes)
    assert (transfers.downloads, transfers.bytes_down) == (3, 3 * values.nbytes)


def test_values_of_any_strides_go_up(device: Device) -> None:
    values = np.arange(12.0).reshape(3, 4).T
    np.testing.assert_array_equal(device.download(device.upload(values)), values)


def test_copies_do_not_convert(device: Device) -> None:
    array = device.zeros((2, 3), np.float64)
    attempts: list[Callable[[], Any]] = [
        lambda: device.upload(np.zeros(6), array),
        lambda: device.upload(np.zeros((2, 3), np.float32), array),
        lambda: device.download(array, np.zeros((2, 3), np.float32)),
        lambda: device.download(array, np.zeros((3, 2)).T),
        lambda: device.copy(array, device.zeros((3, 2), np.float64)),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match=r"must be (equal|contiguous)"):
            attempt()


def test_time_on_a_device_passes(device: Device) -> None:
    timer = device.timer()
    device.synchronize()
    assert timer.seconds() > 0


def test_unknown_kernels_and_impossible_launches_are_named(device: Device) -> None:
    module = device.module(SCALE, "scale")
    with pytest.raises(DeviceError, match=r"no kernel 'stretch'; its kernels are scale"):
        module.function("stretch")
    arguments = device.zeros(3, np.float32), 2.0, 3
    function = module.function("scale")
    for blocks, threads in [(-1, 32), (2**31, 32), (1, 0), (1, 1025)]:
        with pytest.raises(DeviceError, match=f"scale on {blocks} blocks of {threads} threads"):
            function.launch(blocks, threads, *arguments)
    with pytest.raises(DeviceError, match="scale"):
        function.launch(1, 32, "three", 2.0, 3)  # type: ignore[arg-type]
    function.launch(0, 32, *arguments)
    assert device.transfers.launches == 0
    function.launch(1, 32, *arguments)
    assert device.transfers.launches == 1


def test_kernels_are_found_with_their_bounds() -> None:
    text = """
    extern "C" __global__ void one(float *x) {}
    extern "C" __global__ void __launch_bounds__(64 * 2) two(float *x) {}
    extern "C" __global__ __launch_bounds__(64) void
    three(float *x) {}
    __device__ void none(float *x) {}
    """
    assert kernel_names(text) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("environment", "number"),
    [({}, 0), ({"CUDA_VISIBLE_DEVICES": "4,6"}, 1), ({"SLURM_GPUS_ON_NODE": "4"}, 3)],
    ids=str,
)
def test_ranks_take_devices_in_turn(
    environment: dict[str, str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CUDA_VISIBLE_DEVICES", "SLURM_GPUS_ON_NODE"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    device = open_device("simulated", 3)
    assert (device.name, device.number) == ("simulated", number)
    assert f"device {number}" in device.description


# --- the device that the CPU plays ---


@pytest.mark.parametrize(
    "operation",
    [
        np.asarray,
        lambda x: np.add(x, 1.0),
        lambda x: np.ones(3) + x,
        lambda x: np.ones(3) @ x,
        np.linalg.norm,
        lambda x: np.copyto(np.ones(3), x),
        lambda x: np.concatenate([x, x]),
    ],
)
def test_numpy_refuses_arrays_of_a_device(operation: Callable[[Any], Any]) -> None:
    array = SimulatedDevice().upload(np.ones(3))
    with pytest.raises(TypeError):
        operation(array)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("blocks", "threads"), [(1, 1), (3, 64), (5, 32)])
def test_a_sum_is_right_in_every_order(order: str, blocks: int, threads: int) -> None:
    # Integers, so that sums in double precision are exact in any order.
    assert total("__syncthreads();", order, blocks, threads) == 999 * 1000 / 2


def test_a_missing_barrier_shows_in_some_order() -> None:
    wrong = [total("", order, 3, 64) for order in ORDERS]
    # The first thread reads what the others have not yet written.
    assert np.isnan(wrong[0])


def total(barrier: str, order: str, blocks: int, threads: int) -> float:
    """Return the sum of 0 to 999 by a kernel."""
    device = SimulatedDevice(order)
    x = device.upload(np.arange(1000.0))
    result = device.zeros(1, np.float64)
    kernel = device.module(TOTAL.replace("BARRIER", barrier), "total").function("total")
    kernel.launch(blocks, threads, x, result, 1000)
    return float(device.download(result)[0])


def test_registers_outlive_barriers() -> None:
    """More numbers than a processor has registers keep their values while other threads run."""
    device = SimulatedDevice()
    text = """
    extern "C" __global__ void keep(double *x) {
      const int thread = threadIdx.x;
      double kept[40];
      for (int i = 0; i < 40; i++) kept[i] = thread + i;
      for (int step = 0; step < 10; step++) {
        __syncthreads();
        for (int i = 0; i < 40; i++) kept[i] += x[i] * thread;
      }
      for (int i = 0; i < 40; i++) atomicAdd(&x[40 + i], kept[i]);
    }
    """
    values = np.arange(80.0)
    values[40:] = 0.0
    x = device.upload(values)
    device.module(text, "keep").function("keep").launch(1, 33, x)
    threads = np.arange(33.0)
    i = np.arange(40.0)
    expected = threads.sum() + 33 * i + 10 * i * threads.sum()
    np.testing.assert_array_equal(device.download(x)[40:], expected)  # integers


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("ends", "thread .* waits at the barrier of line 4, but thread 5 has ended"),
        (
            "apart",
            "thread .* waits at the barrier of line (9|11), but thread .* waits at line (9|11)",
        ),
        ("twice", "thread 5 waits at the barrier of line 17, but thread .* has ended"),
    ],
)
def test_a_barrier_that_not_all_threads_reach_is_an_error(
    order: str, name: str, failure: str
) -> None:
    device = SimulatedDevice(order)
    text = """extern "C" __global__ void ends(double *x) {
      if (blockIdx.x == 2 && threadIdx.x == 5) return;
      if (threadIdx.x < 32)
        __syncthreads();
      x[0] = 1;
    }
    extern "C" __global__ void apart(double *x) {
      if (blockIdx.x == 2 && threadIdx.x == 5)
        __syncthreads();
      else
        __syncthreads();
      x[0] = 1;
    }
    extern "C" __global__ void twice(double *x) {
      __syncthreads();
      if (blockIdx.x == 2 && threadIdx.x == 5)
        __syncthreads();
      x[0] = 1;
    }
    """
    module = device.module(text, "barriers")
    x = device.zeros(1, np.float64)
    for _ in range(2):
        # The second time threads start anew, though some were left in the midst of the kernel.
        with pytest.raises(DeviceError, match=f"{name}, block 2: {failure}"):
            module.function(name).launch(3, 32, x)
    module.function(name).launch(2, 32, x)
    assert device.download(x) == [1.0]


def test_memory_that_is_shared_starts_as_no_number_in_each_block() -> None:
    device = SimulatedDevice()
    text = """
    extern "C" __global__ void leave(double *x) {
      __shared__ double number;
      x[blockIdx.x] = number;
      number = 1;
    }
    """
    x = device.zeros(3, np.float64)
    device.module(text, "leave").function("leave").launch(3, 1, x)
    assert np.isnan(device.download(x)).all()


@pytest.mark.parametrize(("dtype", "word"), [("f4", "float"), ("f8", "double"), ("i4", "int")])
def test_sums_of_all_threads_are_whole(dtype: str, word: str) -> None:
    device = SimulatedDevice("shuffled")
    text = f"""
    extern "C" __global__ void count({word} *x) {{ atomicAdd(x, ({word})1); }}
    """
    x = device.zeros(1, dtype)
    device.module(text, f"count-{word}").function("count").launch(10, 100, x)
    assert device.download(x) == [1000]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", 2.0), "scale takes 3 arguments, got 2"),
        (("x", 2, 3), "argument 1 of scale is float64 in the kernel, got int64"),
        (("x", 2.0, 3.0), "argument 2 of scale is int64 in the kernel, got float64"),
        (("x", "x", 3), r"argument 1 of scale is float64 in the kernel, got float32\*"),
        ((2.0, 2.0, 3), r"argument 0 of scale is float32\* in the kernel, got float64"),
        (("doubles", 2.0, 3), r"argument 0 of scale is float32\* in the kernel, got float64\*"),
        (("x", None, 3), "argument 1 of scale is float64 in the kernel, got None"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: tuple[Any, ...], message: str) -> None:
    device = SimulatedDevice()
    arrays = {"x": device.zeros(3, np.float32), "doubles": device.zeros(3, np.float64)}
    with pytest.raises(DeviceError, match=message):
        device.module(SCALE, "scale").function("scale").launch(
            1, 32, *(arrays.get(argument, argument) for argument in arguments)
        )


def test_null_pointers_reach_the_kernel() -> None:
    device = SimulatedDevice()
    text = """extern "C" __global__ void ask(const float *p, int *x) { *x = p ? 1 : 2; }"""
    function = device.module(text, "ask").function("ask")
    x = device.zeros(1, np.int32)
    function.launch(1, 1, None, x)
    assert device.download(x) == [2]


def test_kernels_may_be_named_like_functions_of_the_c_library() -> None:
    device = SimulatedDevice()
    text = """extern "C" __global__ void lfind(double *x) { x[0] = 1; }"""
    x = device.zeros(1, np.float64)
    device.module(text, "lfind").function("lfind").launch(1, 1, x)
    assert device.download(x) == [1.0]


def test_a_text_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    SimulatedDevice().module(SCALE, "scale")

    def refuse(command: list[str], *_: Any, **__: Any) -> NoReturn:
        raise AssertionError(f"{command} was started")

    monkeypatch.setattr(native, "_run", refuse)
    SimulatedDevice().module(SCALE, "scale")
    simulated._compile.cache_clear()  # as in another process
    SimulatedDevice().module(SCALE, "scale")
    with pytest.raises(AssertionError, match="was started"):
        SimulatedDevice().module(SCALE + "// other", "scale")


def test_texts_share_the_stacks_of_their_threads() -> None:
    """The system grants a process some ten thousand pieces of memory, a solve has many texts."""
    device = SimulatedDevice()
    pieces = []
    for number in range(3):
        text = f"// text {number}" + TOTAL.replace("BARRIER", "__syncthreads();")
        y = device.zeros(1, np.float64)
        total = device.module(text, "total").function("total")
        total.launch(2, 64, device.upload(np.ones(200)), y, 200)
        assert device.download(y)[0] == 200.0
        pieces.append(len(Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()))
    assert pieces[2] - pieces[0] < 64  # a library has a few, stacks would be two for each thread


def test_the_compiler_names_the_line_of_the_text() -> None:
    with pytest.raises(DeviceError, match=r"scale\.cu:4:.*no_such_name"):
        SimulatedDevice().module(SCALE.replace("i < count", "i < no_such_name"), "scale")


# --- GPUs through CuPy ---


def test_cupy_gets_kernels_arguments_and_options_as_they_are(fake: FakeCupy) -> None:
    device = open_device("cuda", 0)
    module: Any = device.module(SCALE, "scale")
    array = device.zeros(3, np.float32)
    module.function("scale").launch(7, 64, array, 2, np.float32(0.5), None)
    ((name, grid, block, arguments),) = module._module.launches
    assert (name, grid, block) == ("scale", (7,), (64,))
    assert arguments[0] is array
    assert arguments[3] is None
    assert [type(argument) for argument in arguments[1:3]] == [np.int64, np.float64]
    assert module._module.code == f'#line 1 "scale.cu"\n{SCALE}'
    assert module._module.options == ("-std=c++17",)


def test_gpus_are_described_by_model_architecture_and_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy())
    assert open_device("cuda", 0).description == "Some GPU (sm_90), 1 GiB"
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy(is_hip=True))
    assert open_device("hip", 0).description == "Some GPU (gfx942:sramecc+:xnack-), 1 GiB"


def test_ranks_use_the_gpus_of_their_node_in_turn(fake: FakeCupy) -> None:
    for rank, number in enumerate([0, 1, 0]):
        assert CupyDevice("cuda", rank).number == number
        assert fake.used == number
    with pytest.raises(DeviceError, match=r"rank 5 of this compute node shall use GPU 2, but .* 2"):
        CupyDevice("cuda", 5, 2)


@pytest.mark.parametrize(
    ("name", "cupy", "message"),
    [
        ("cuda", None, r"backend cuda needs CuPy: pip install 'elastane\[cuda\]'"),
        ("hip", None, r"backend hip needs CuPy: pip install 'elastane\[hip\]'"),
        (
            "cuda",
            FakeCupy(is_hip=True),
            "needs CuPy for NVIDIA GPUs, but that for AMD is installed",
        ),
        ("hip", FakeCupy(), "needs CuPy for AMD GPUs, but that for NVIDIA is installed"),
        ("cuda", FakeCupy(count=None), "no driver for NVIDIA GPUs, or no GPU .*InsufficientDriver"),
        ("hip", FakeCupy(is_hip=True, count=0), "backend hip: this process may use no GPU"),
    ],
)
def test_what_is_missing_is_said(
    name: str, cupy: FakeCupy | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(DeviceError, match=message) as caught:
        open_device(name, 0)
    assert "\n" not in str(caught.value)


def test_libraries_that_cupy_does_not_find_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> NoReturn:
        missing = ImportError("libamdhip64.so.7: cannot open shared object file")
        raise ImportError("\n=====\nA page of advice\n=====\n") from missing

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(DeviceError, match=r"be loaded \(libamdhip64\.so\.7: .*\); .*ROCm 7"):
        open_device("hip", 0)


def test_importing_the_devices_imports_no_cupy() -> None:
    code = "import sys, elastane.solver.device; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_that_runs_out_is_told_in_bytes(fake: FakeCupy) -> None:
    message = f"{8 * MEMORY} bytes asked, {MEMORY // 2} of {MEMORY} free"
    with pytest.raises(DeviceError, match=message):
        open_device("cuda", 0).zeros((MEMORY,), np.float64)


def test_kernels_that_do_not_compile_are_told(fake: FakeCupy) -> None:
    with pytest.raises(DeviceError, match=r"scale does not compile: scale\.cu\(2\): error"):
        open_device("cuda", 0).module(SCALE.replace("i < count", "i < no_such_name"), "scale")


def test_faults_of_kernels_are_told_by_the_next_wait(fake: FakeCupy) -> None:
    device = open_device("cuda", 0)
    fake.fault = CUDARuntimeError("cudaErrorIllegalAddress")
    with pytest.raises(DeviceError, match=r"Some GPU .*earlier kernel: cudaErrorIllegalAddress"):
        device.synchronize()


def test_each_kind_has_a_name() -> None:
    assert set(DEVICES) == {"cuda", "hip", "simulated"}
