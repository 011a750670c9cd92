"""The service around a solve: job files, run folders, the command line."""
