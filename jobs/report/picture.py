"""A picture of the deformed body, coloured by stress, made by PyVista without a screen.

python -m elastane.jobs.report.picture FIELDS PICTURE.png UNIT

is the process of its own in which PyVista works: what goes wrong in a graphics library costs the
picture and not the page.
"""

import importlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from elastane.jobs.paths import RunFolder
from elastane.solver.output.fields import von_mises_stress

TIMEOUT_SECONDS = 120.0
#: Of a file of fields; beyond, a login node would swap.
MAX_BYTES = 400e6
SIZE = [1200, 800]
#: Subdivisions of each curved element edge: 2**3 lines.
SUBDIVISION = 3
STRESS = "von_mises_stress"
WITHOUT = "no picture: PyVista is not installed (pip install pyvista)"


class NoPictureError(RuntimeError):
    """There is no picture; the message says why."""


def render_body(folder: RunFolder, unit: str = "") -> bytes:
    """Return a PNG of the last step that was written, its stress in a unit.

    Raises:
        NoPictureError: If there is none.
    """
    fields = last_fields(folder)
    if importlib.util.find_spec("pyvista") is None:
        raise NoPictureError(WITHOUT)
    with tempfile.TemporaryDirectory() as aside:
        picture = Path(aside) / "picture.png"
        command = [sys.executable, "-m", __name__, str(fields.resolve()), str(picture), unit]
        try:
            subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, check=True)
            return picture.read_bytes()
        except subprocess.TimeoutExpired:
            raise NoPictureError(
                f"no picture: PyVista took more than {TIMEOUT_SECONDS:.0f} s"
            ) from None
        except (subprocess.CalledProcessError, OSError) as error:
            words = getattr(error, "stderr", b"").decode(errors="replace").strip()
            last = words.splitlines()[-1][:300] if words else str(error)
            raise NoPictureError(f"no picture: PyVista failed: {last}") from None


def last_fields(folder: RunFolder) -> Path:
    """Return the file with the fields of the last step.

    Raises:
        NoPictureError: If there is none, or if it is too large.
    """
    steps = sorted(folder.fields.glob("step-*.vtu"))
    path = steps[-1] if steps else folder.series("vtkhdf")
    if not path.is_file():
        raise NoPictureError("no picture: no fields were written")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise NoPictureError(
            f"no picture: {size / 1e6:,.0f} MB of fields are too much here; ParaView opens {path}"
        )
    return path


def draw(fields: Path, picture: Path, unit: str = "") -> None:
    """Draw the deformed body of a file of fields, and the outline of the initial one."""
    pyvista: Any = importlib.import_module("pyvista")  # has no types for what is used here

    mesh = _last_step(fields)
    name = _colour(mesh)
    deformed = mesh.warp_by_vector("displacement") if "displacement" in mesh.point_data else mesh
    plotter = pyvista.Plotter(off_screen=True, window_size=SIZE)
    plotter.set_background("white")
    plotter.add_mesh(
        _surface(deformed),
        scalars=name,
        cmap="viridis",
        smooth_shading=True,
        split_sharp_edges=True,
        show_scalar_bar=name is not None,
        scalar_bar_args={"title": _title(name, unit), "color": "black", "fmt": "%.3g",
                         "vertical": True, "title_font_size": 22, "label_font_size": 20,
                         "position_x": 0.84, "position_y": 0.1, "height": 0.8},
    )  # fmt: skip
    plotter.add_mesh(
        _surface(deformed, 1).extract_feature_edges(30.0), color="black", line_width=1.5
    )
    plotter.add_mesh(mesh.outline(), color="grey", line_width=1)
    plotter.add_axes(color="black")
    plotter.camera_position = "iso"
    plotter.camera.zoom(0.95)
    plotter.screenshot(str(picture))
    plotter.close()


def _title(name: str | None, unit: str) -> str:
    """Return the title of the bar of colours; the line below it keeps the numbers away."""
    words = (name or "").replace("von_mises", "von Mises").replace("_", " ")
    return f"{words} [{unit}]\n" if unit and name == STRESS else f"{words}\n"


def _surface(mesh: Any, subdivision: int = SUBDIVISION) -> Any:
    """Return the surface of curved cells as small plane ones."""
    return mesh.extract_surface(nonlinear_subdivision=subdivision, algorithm="dataset_surface")


def _last_step(fields: Path) -> Any:
    """Return the mesh with its fields; a VTKHDF file holds all steps."""
    pyvista: Any = importlib.import_module("pyvista")  # has no types for what is used here

    if fields.suffix == ".vtu":
        return pyvista.read(fields)
    from vtkmodules.vtkIOHDF import vtkHDFReader

    reader = vtkHDFReader()
    reader.SetFileName(str(fields))
    reader.UpdateInformation()
    reader.SetStep(max(reader.GetNumberOfSteps() - 1, 0))
    reader.Update()
    return pyvista.wrap(reader.GetOutputDataObject(0))


def _colour(mesh: Any) -> str | None:
    """Return the field that colours the body: stress, or what else there is."""
    data = mesh.point_data
    if STRESS not in data and "cauchy_stress" in data:
        stress = np.asarray(data["cauchy_stress"]).reshape(-1, 6)
        data[STRESS] = von_mises_stress(stress)[:, 0]
    if STRESS in data:
        return STRESS
    if "displacement" in data:
        data["|displacement|"] = np.linalg.norm(np.asarray(data["displacement"]), axis=1)
        return "|displacement|"
    return None


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
