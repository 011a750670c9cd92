"""The cases of tests/verification/test_torsion.py on a device, see conftest.py."""

from tests.verification.test_torsion import *  # noqa: F403
