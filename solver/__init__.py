"""Discretization, operators, multigrid, Newton, load stepping, output."""
