"""Where the tests of this folder run: on a GPU, or on the simulated device.

ELASTANE_GPU_BACKEND names the backend; a device that cannot be opened is then an error.  Without
it the first of cuda and hip is taken whose device opens.  Where there is none, a few tests run on
the simulated device, so that these tests are tested themselves, and the others are skipped.
"""

import os
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

#: Run on the simulated device where there is no GPU: quick cases of each kind.
ALWAYS = {
    "test_sheared_cube_stores_the_energy_that_other_codes_find[V01 neo-hookean]",
    "test_inflated_cylinder",
    "test_cooks_membrane_on_each_mesh[2-2-14.301764]",
    "test_error_falls_as_h_to_the_power_p_plus_one[3]",
    "test_fields_are_those_of_the_cpu[cube, p = 2]",
    "test_fields_are_those_of_the_cpu[Schwarz shell, p = 2]",
    "test_inner_products_alone_cross_the_bus_in_krylov_iterations[2]",
}


@cache
def found_backend() -> tuple[str | None, str]:
    """Return the backend of this machine, and why there is none.

    Raises:
        DeviceError: If the one that was asked for cannot be used.
    """
    from elastane.solver.device import DeviceError, open_device

    asked = os.environ.get("ELASTANE_GPU_BACKEND")
    if asked:
        open_device(asked, 0)
        return asked, ""
    reasons = []
    for name in ("cuda", "hip"):
        try:
            open_device(name, 0)
        except DeviceError as error:
            reasons.append(str(error))
        else:
            return name, ""
    return None, "; ".join(reasons)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if item.name in ALWAYS:
                item.add_marker(pytest.mark.simulated)


def backend_of(item: pytest.Item) -> str | None:
    """Return where a test runs, None if nowhere."""
    found, _ = found_backend()
    return found or ("simulated" if item.get_closest_marker("simulated") else None)


# Not by the fixture: pytest would tell the reason once for each test and not once for all.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that has no device."""
    if backend_of(item) is None:
        pytest.skip(
            f"NOTHING WAS PROVED ON A GPU: {found_backend()[1]}.  ELASTANE_GPU_BACKEND=simulated "
            "runs these tests on the simulated device"
        )


@pytest.fixture(autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the backend; cases of tests/verification are solved there."""
    name = backend_of(request.node)
    assert name is not None
    monkeypatch.setenv("ELASTANE_CASES_BACKEND", name)
    return name
