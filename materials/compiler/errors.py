"""Why a material is not compiled."""

import numpy as np
from numpy.typing import NDArray


class UnsupportedError(ValueError):
    """The energy uses something that cannot be compiled; the message says what to do instead."""


class CheckError(RuntimeError):
    """The compiled material breaks a law that it must obey.

    Attributes:
        stage: Stage of the compiler that is to blame, e.g. "enzyme".
        grad_u: Displacement gradient where the law fails, shape (3, 3).
    """

    def __init__(self, stage: str, law: str, grad_u: NDArray[np.float64], details: str) -> None:
        self.stage = stage
        self.grad_u = grad_u
        super().__init__(f"{stage}: {law} fails at H = {grad_u.tolist()}: {details}")
