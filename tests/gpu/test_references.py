"""The cases of tests/verification/test_references.py on a device, see conftest.py."""

from tests.verification.test_references import *  # noqa: F403
