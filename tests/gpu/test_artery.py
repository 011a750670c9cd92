"""The cases of tests/verification/test_artery.py on a device, see conftest.py."""

from tests.verification.test_artery import *  # noqa: F403
