"""PETSc's smoothed aggregation, which interpolates the rigid-body modes exactly."""

OPTIONS = {
    "pc_type": "gamg",
    "pc_gamg_type": "agg",
    "pc_gamg_threshold": "0.01",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_max_it": "3",
    "mg_levels_pc_type": "jacobi",
    "mg_levels_ksp_chebyshev_esteig": "0,0.1,0,1.1",
}
