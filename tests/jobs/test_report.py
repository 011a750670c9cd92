import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.paths import RunFolder
from elastane.jobs.report import picture
from elastane.jobs.report.curves import curves, residual_lines
from elastane.jobs.report.page import write_page
from elastane.jobs.report.plots import Axis, Line, bar_plot, line_plot
from elastane.jobs.result import empty_result, write_result
from elastane.jobs.results_table import note_point

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "img", "br", "circle", "path", "polyline", "rect"}


class Page(HTMLParser):
    """Reads a page as a browser does, and checks that every element is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.points: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attributes)
        self.addresses += [value for key in ("src", "href") if (value := values.get(key))]
        if tag == "polyline":
            self.points.append(values["points"] or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += text


def step(number: int, load: float) -> dict[str, Any]:
    return {
        "step": number, "load": load, "newton_iterations": 2, "krylov_iterations": [3, 5],
        "residual_norms": [1.0, 1e-3, 1e-9], "reason": "CONVERGED_FNORM_RELATIVE",
        "strain_energy": load**2, "max_displacement": load, "min_J": 0.9, "seconds": 0.5,
        "surfaces": {
            "held": {"area": 1.0, "force": [0, 0, -load], "displacement": [0.0, 0.0, 0.0]},
            "pulled": {"area": 1.0, "force": [0.1, 0, load], "displacement": [0, 0, 0.5 * load]},
        },
        "probes": {"tip": {"displacement": [0.0, 0.25 * load, 0.0]}},
    }  # fmt: skip


def make_run(root: Path, **result: Any) -> RunFolder:
    folder = RunFolder(root)
    folder.root.mkdir(parents=True)
    folder.job.write_text("name: beam\ndegree: 2\n")
    steps = [step(number, number / 4) for number in range(1, 5)]
    whole = {**empty_result("beam", 2, "/cpu/self", 2), "status": "converged", "steps": steps,
             "dofs": 12345, "timings": {"setup": 1.0, "solve": 3.0, "output": 0.25},
             "versions": {"petsc": "3.21.6"}, "warnings": ["look here"]}  # fmt: skip
    write_result(folder.result, {**whole, **result})
    folder.provenance.write_text(json.dumps({"git": {"commit": "0123abc", "dirty": False}}))
    return folder


def test_the_page_holds_all_that_is_asked_for_and_needs_nothing_else(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "beam-1")
    page = Page(write_page([folder], tmp_path / "report.html"))
    for text in ("beam-1", "converged", "12,345", "degree: 2", "3 5", "1.00e+00 → 1.00e-09",
                 "3.00 s", "0123abc", "3.21.6", "look here", "no fields were written"):  # fmt: skip
        assert text in page.text, text
    assert page.tags.count("svg") == 4  # the surface that moved, the probe, Newton, Krylov
    assert not {"script", "link", "iframe"} & {*page.tags}
    assert page.addresses == []
    assert "default-src 'none'" in (tmp_path / "report.html").read_text()


def test_the_page_of_several_runs_compares_them(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name) for name in ("a", "b")]
    for folder, modulus in zip(folders, (1, 5), strict=True):
        note_point(folder, {"materials.all.youngs_modulus": modulus})
    page = Page(write_page(folders, tmp_path / "report.html"))
    assert page.addresses == ["#run-0", "#run-1"]
    assert page.tags.count("section") == 2
    assert page.tags.count("svg") == 9  # those of each, and one for both
    assert "materials.all.youngs_modulus = 5" in page.text


def test_units_stand_behind_labels(tmp_path: Path) -> None:
    units = {"length": "mm", "force": "N", "energy": "N*mm", "stress": "MPa"}
    page = Page(write_page([make_run(tmp_path / "a", units=units)], tmp_path / "r.html"))
    for label in ("mean displacement z [mm]", "force z [N]", "strain energy [N*mm]"):
        assert label in page.text


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'&amp;\x1b[2J'


def test_nothing_in_a_folder_becomes_html(tmp_path: Path) -> None:
    surfaces = {HOSTILE: {"area": 1.0, "force": [0, 0, 1.0], "displacement": [0.0, 0.0, 1.0]}}
    steps = [{**step(1, 1.0), "reason": HOSTILE, "surfaces": surfaces}]
    folder = make_run(
        tmp_path / "<b>run", name=HOSTILE, message=HOSTILE, warnings=[HOSTILE], backend=HOSTILE,
        versions={HOSTILE: HOSTILE}, steps=steps, units={"length": HOSTILE},
    )  # fmt: skip
    folder.job.write_text(HOSTILE)
    folder.provenance.write_text(json.dumps({HOSTILE: {HOSTILE: [HOSTILE]}}))
    note_point(folder, {HOSTILE: HOSTILE})
    page = Page(write_page([folder], tmp_path / "report.html"))
    assert not {"script", "img", "b"} & {*page.tags}
    assert page.text.count("alert(1)") >= 10


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"status": "running"}'])
def test_a_run_without_a_sound_result_has_a_page(tmp_path: Path, content: str | None) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    if content is not None:
        folder.result.write_text(content)
        folder.provenance.write_text(content)
    page = Page(write_page([folder, folder], tmp_path / "report.html"))
    assert "2 runs" in page.text


def test_the_load_displacement_curve_is_that_of_the_moved_surface() -> None:
    steps = [step(number, number / 4) for number in range(1, 5)]
    surface, probe = curves(steps, {})
    assert surface.title == "Load and displacement of pulled"
    assert surface.points == ((0.0, 0.0), (0.125, 0.25), (0.25, 0.5), (0.375, 0.75), (0.5, 1.0))
    assert probe.points[-1] == (0.25, 1.0)
    bare = [{**entry, "surfaces": {}, "probes": {}} for entry in steps]
    (largest,) = curves(bare, {"length": "mm"})
    assert largest.y_label == "largest displacement [mm]"
    assert curves([], {}) == []


def test_residuals_are_relative_to_the_first() -> None:
    steps = [step(1, 1.0), {**step(2, 1.0), "residual_norms": [None, 4.0, 1.0]},
             {**step(3, 1.0), "residual_norms": []}]  # fmt: skip
    lines = residual_lines(steps)
    assert [list(line.points) for line in lines] == [
        [(0.0, 1.0), (1.0, 1e-3), (2.0, 1e-9)],
        [(1.0, 1.0), (2.0, 0.25)],
    ]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-3.7, 12.9), (1e-12, 3e-12), (-5e8, 2e8), (1e5, 1e5 + 0.01)]
)
def test_ticks_are_few_and_lie_on_the_axis(low: float, high: float) -> None:
    axis = Axis(low, high, 0.0, 100.0)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(-1e-6 <= axis.pixel(tick) <= 100.0 + 1e-6 for tick in ticks)


def test_points_lie_where_the_axes_say() -> None:
    plot = line_plot([Line([(0.0, 1.0), (1.0, 10.0), (2.0, 100.0)])], "x", "y", logarithmic=True)
    match = re.search(r'points="([^"]*)"', plot)
    assert match is not None
    places = [tuple(map(float, place.split(","))) for place in match[1].split()]
    # Equal ratios are equal distances; pixels are written to a tenth.
    assert math.isclose(places[0][1] - places[1][1], places[1][1] - places[2][1], abs_tol=0.11)
    assert places[0][1] > places[2][1]  # larger is higher


@pytest.mark.parametrize(
    "points",
    [[(0.0, 0.0)], [(0.0, 5.0), (1.0, 5.0)], [(math.nan, 1.0), (0.0, 1.0)], [(0.0, 1e-300)],
     [(0.0, math.inf), (1.0, 1.0)], [(1e300, 1.0), (-1e300, 2.0)]],
)  # fmt: skip
def test_odd_values_make_a_plot_all_the_same(points: list[tuple[float, float]]) -> None:
    assert "nan" not in line_plot([Line(points)], "x", "y")


def test_without_points_there_is_no_plot() -> None:
    assert line_plot([], "x", "y") == ""
    assert line_plot([Line([(0.0, -1.0)])], "x", "y", logarithmic=True) == ""
    assert bar_plot([], "x", "y") == ""


@pytest.fixture
def bent(tmp_path: Path) -> Path:
    """Return a file of fields of one quadratic cell that is bent."""
    pyvista: Any = pytest.importorskip("pyvista")
    import numpy as np

    mesh = pyvista.ImageData(dimensions=(5, 3, 3)).cast_to_unstructured_grid()
    x = np.asarray(mesh.points)
    mesh.point_data["displacement"] = np.stack([0 * x[:, 0], 0 * x[:, 0], 0.1 * x[:, 0] ** 2], 1)
    stress = np.zeros((len(x), 6))
    stress[:, 0] = x[:, 2] - 1.0
    mesh.point_data["cauchy_stress"] = stress
    path = tmp_path / "fields" / "step-0001.vtu"
    path.parent.mkdir()
    mesh.save(path)
    return path


def test_the_body_is_drawn_in_colours(bent: Path) -> None:
    from matplotlib.image import imread

    picture.draw(bent, bent.with_suffix(".png"))
    pixels = imread(bent.with_suffix(".png"))
    assert pixels.shape[:2] == (800, 1200)
    middle = pixels[200:600, 300:900, :3].reshape(-1, 3)
    coloured = (middle.max(axis=1) - middle.min(axis=1)) > 0.1
    assert coloured.mean() > 0.05  # the body is there, not only its background


def test_without_pyvista_the_page_says_so(bent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture.importlib.util, "find_spec", lambda name: None)
    folder = make_run(bent.parent.parent / "run")
    (folder.root / "fields").mkdir()
    shutil.copy(bent, folder.root / "fields")
    page = Page(write_page([folder], folder.root / "report.html"))
    assert "PyVista is not installed" in page.text
    assert "img" not in page.tags


def test_a_damaged_file_of_fields_costs_the_picture_only(tmp_path: Path) -> None:
    pytest.importorskip("pyvista")
    folder = make_run(tmp_path / "run")
    folder.fields.mkdir()
    (folder.fields / "step-0001.vtu").write_bytes(b"<VTKFile")
    page = Page(write_page([folder], tmp_path / "report.html"))
    assert "no picture" in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_opens_the_page_from_disk(bent: Path, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    folder.fields.mkdir()
    shutil.copy(bent, folder.fields)
    path = write_page([folder, make_run(tmp_path / "other")], tmp_path / "report.html")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
               f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    shown = subprocess.run(
        [*command, "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    # What the browser made of the page: every plot and picture, nothing refused.
    assert shown.stdout.count("<svg") == 9
    assert shown.stdout.count("<img") == 1
    assert "CONSOLE" not in shown.stderr
    assert "Content Security Policy" not in shown.stderr
    image = tmp_path / "page.png"
    subprocess.run(
        [*command, f"--screenshot={image}", "--window-size=1100,2400", path.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    from matplotlib.image import imread

    pixels = imread(image)[..., :3]
    # The state's badge and the lines of the plots, in the colours of the style sheet.
    for colour in ((0x1A, 0x7F, 0x4E), (0x00, 0x72, 0xB2)):
        near = abs(pixels - [part / 255 for part in colour]).max(axis=2) < 0.02
        assert near.sum() > 100


def test_the_page_loads_neither_mpi_nor_petsc(run_python: Any) -> None:
    code = "import sys, elastane.jobs.report.page; print(sorted(sys.modules))"
    loaded = run_python(code)
    assert not any(f"'{name}'" in loaded for name in ("mpi4py", "petsc4py", "libceed", "pyvista"))


def test_a_run_of_many_steps_has_a_page_that_a_browser_can_bear(tmp_path: Path) -> None:
    steps = [step(number, number / 2000) for number in range(1, 2001)]
    path = write_page([make_run(tmp_path / "run", steps=steps)], tmp_path / "report.html")
    assert "the last 500 of 2000; history.csv has all" in Page(path).text
    assert path.stat().st_size < 1e6
