"""The cases of tests/verification/test_inflation.py on a device, see conftest.py."""

from tests.verification.test_inflation import *  # noqa: F403
