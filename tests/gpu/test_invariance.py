"""The cases of tests/verification/test_invariance.py on a device, see conftest.py."""

from tests.verification.test_invariance import *  # noqa: F403
