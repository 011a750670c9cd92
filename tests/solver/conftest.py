"""Makes the modules beside the tests importable as `tests.verification...`; saved checkpoints."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

if TYPE_CHECKING:
    from tests.solver.saved_checkpoints import Saved


@pytest.fixture(scope="module")
def module_saved(tmp_path_factory: pytest.TempPathFactory) -> "Saved":
    """Save the checkpoints once for a module: it takes a discretisation."""
    from tests.solver.saved_checkpoints import Saved

    return Saved(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def saved(module_saved: "Saved") -> "Saved":
    """Return the checkpoints as they were saved, whatever a test before has done to them."""
    module_saved.restore()
    return module_saved
