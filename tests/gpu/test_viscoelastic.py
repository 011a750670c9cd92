"""The cases of tests/verification/test_viscoelastic.py on a device, see conftest.py."""

from tests.verification.test_viscoelastic import *  # noqa: F403
