"""hypre's BoomerAMG, in the unknown approach: one function per displacement component.

PMIS coarsening with extended+i interpolation keeps the operator complexity low; Chebyshev relaxation
needs no ordering and works alike on every backend.  Interpolation of rigid-body modes does worse
here and breaks where single components of a node are prescribed.

Reference: A. H. Baker, Tz. V. Kolev, U. M. Yang, Numer. Linear Algebra Appl. 17 (2010) 495-517.
"""

OPTIONS = {
    "pc_type": "hypre",
    "pc_hypre_type": "boomeramg",
    "pc_hypre_boomeramg_coarsen_type": "PMIS",
    "pc_hypre_boomeramg_interp_type": "ext+i",
    "pc_hypre_boomeramg_P_max": "6",
    "pc_hypre_boomeramg_strong_threshold": "0.5",
    "pc_hypre_boomeramg_relax_type_all": "Chebyshev",
    "pc_hypre_boomeramg_no_CF": "true",
}
