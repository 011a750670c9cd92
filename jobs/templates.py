"""The job files that `elastane init` writes."""

from pathlib import Path

EXAMPLES = Path(__file__).parent / "examples"

#: Kinds of job by name, and the files that make each.
KINDS = {
    "cantilever": ("cantilever.yml",),
    "cook": ("cook.yml",),
    "bimaterial": ("bimaterial.yml", "bimaterial.msh"),
    "schwarz": ("schwarz.yml",),
    "material": ("rubber.yml", "rubber.py"),
    "artery": ("artery.yml",),
}


def write_template(kind: str, directory: Path) -> Path:
    """Write a commented job file, and what it may need; return the path of the job file.

    Raises:
        FileExistsError: If one of the files is there already; nothing is written then.
    """
    targets = [directory / name for name in KINDS[kind]]
    for target in targets:
        if target.exists():
            raise FileExistsError(f"{target} exists already; it is not overwritten")
    for target in targets:
        with target.open("xb") as stream:
            stream.write((EXAMPLES / target.name).read_bytes())
    return targets[0]
