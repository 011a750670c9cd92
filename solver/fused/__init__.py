"""Fused operators for CPUs.

Gather, gradient, QFunction, divergence and scatter are one pass over blocks of elements, with an
element in each SIMD lane:

    source.py     the C of a kernel, and its operations and bytes
    schedule.py   how it is done, as data
    kernel.py     compiled and bound to the arrays of a body
    body.py       residual and Jacobian of a body
    takeover.py   a kernel becomes the apply of a CeedOperator, which else stays as it is
    level.py      the operators of a multigrid level in single precision

Against libCEED's separate passes over E-vectors and Q-vectors this saves the traffic between them.
Reference: M. Kronbichler, K. Kormann, Computers & Fluids 63 (2012) 135-147.
"""
