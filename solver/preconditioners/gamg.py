"""Aggregates of p = 1 nodes below a p = 1 level that the cycle smooths without a matrix.

The matrix on the aggregates is factorised by every rank while it is small; beyond that PETSc's
smoothed aggregation solves it, which interpolates the rigid-body modes.  There, aggregates of
distance one instead of two (no aggressive coarsening), a low bound of the smoother and a
factorisation below some thousand unknowns bring two V-cycles near an exact solve; a cycle less
costs as much in further Krylov iterations.
"""

#: Of the two below, the solver takes those that fit the size of its matrix.
OPTIONS: dict[str, str] = {}

FACTORISATION = {
    "pc_type": "redundant",
    "redundant_pc_type": "cholesky",
    "redundant_pc_factor_mat_ordering_type": "nd",
}

SMOOTHED_AGGREGATION = {
    "pc_type": "gamg",
    "pc_gamg_type": "agg",
    "pc_gamg_threshold": "0.03",
    "pc_gamg_aggressive_coarsening": "0",
    "pc_gamg_coarse_eq_limit": "2000",
    "pc_mg_multiplicative_cycles": "2",
    "mg_coarse_sub_pc_type": "cholesky",
    "mg_coarse_sub_pc_factor_mat_ordering_type": "nd",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_max_it": "4",
    "mg_levels_pc_type": "pbjacobi",
    "mg_levels_ksp_chebyshev_esteig": "0,0.04,0,1.05",
    "mg_levels_esteig_ksp_type": "cg",
}
