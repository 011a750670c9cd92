"""The cases of tests/verification/test_homogeneous.py on a device, see conftest.py."""

from tests.verification.test_homogeneous import *  # noqa: F403
