"""A page about runs that opens in a browser from disk and needs nothing else."""
