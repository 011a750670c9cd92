"""The cases of tests/verification/test_manufactured.py on a device, see conftest.py."""

from tests.verification.test_manufactured import *  # noqa: F403
