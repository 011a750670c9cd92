"""The cases of tests/verification/test_iteration_counts.py on a device, see conftest.py."""

from tests.verification.test_iteration_counts import *  # noqa: F403
