"""A direct solve: each rank factorises the whole p = 1 matrix.  For small ones only."""

OPTIONS = {
    "pc_type": "redundant",
    "redundant_pc_type": "lu",
}
