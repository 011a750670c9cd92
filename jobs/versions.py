"""Versions of the packages that a result depends on, without importing them."""

from importlib.metadata import PackageNotFoundError, version

PACKAGES = {
    "elastane": "elastane",
    "petsc": "petsc4py",
    "libceed": "libceed",
    "mpi4py": "mpi4py",
    "numpy": "numpy",
}


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, None if it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of the installed packages by the names of result.json."""
    return {
        name: found
        for name, package in PACKAGES.items()
        if (found := installed_version(package)) is not None
    }
