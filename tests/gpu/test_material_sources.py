"""The cases of tests/verification/test_material_sources.py on a device, see conftest.py."""

from tests.verification.test_material_sources import *  # noqa: F403
