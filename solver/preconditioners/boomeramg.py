"""hypre's BoomerAMG, in the unknown approach: one function per displacement component.

HMIS coarsening with extended+i interpolation keeps the operator complexity low; symmetric
relaxation keeps the preconditioner symmetric, as CG needs it.  Two V-cycles: on shells and around
stiff inclusions they save a quarter of the Krylov iterations.  A cycle costs some eight products
with the p = 1 matrix and the set-up ninety, each three quarters of a fine apply at p = 2: that is
two to three times the cost of `gamg` in all, for a few iterations less on thin walls.
Interpolation of rigid-body modes does worse here and breaks where single components of a node are
prescribed.

Reference: A. H. Baker, Tz. V. Kolev, U. M. Yang, Numer. Linear Algebra Appl. 17 (2010) 495-517.
"""

OPTIONS = {
    "pc_type": "hypre",
    "pc_hypre_type": "boomeramg",
    "pc_hypre_boomeramg_max_iter": "2",
    "pc_hypre_boomeramg_coarsen_type": "HMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": "6",
    "pc_hypre_boomeramg_strong_threshold": "0.5",
    "pc_hypre_boomeramg_relax_type_all": "symmetric-SOR/Jacobi",
    "pc_hypre_boomeramg_no_CF": "true",
}
