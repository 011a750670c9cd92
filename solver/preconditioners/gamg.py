"""PETSc's smoothed aggregation, which interpolates the rigid-body modes.

Aggregates of distance one instead of two (no aggressive coarsening), and three V-cycles: on a
shell this is nearly an exact solve.
"""

OPTIONS = {
    "pc_type": "gamg",
    "pc_gamg_type": "agg",
    "pc_gamg_threshold": "0.03",
    "pc_gamg_aggressive_coarsening": "0",
    "pc_mg_multiplicative_cycles": "3",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_max_it": "3",
    "mg_levels_pc_type": "jacobi",
    "mg_levels_ksp_chebyshev_esteig": "0,0.1,0,1.1",
}
