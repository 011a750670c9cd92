from pathlib import Path

import pytest

from elastane.jobs.batch_script import render
from elastane.jobs.executors.base import JobRequest
from elastane.jobs.faults import JobFileError
from elastane.jobs.sites import SHIPPED, Site, list_sites, load_site, read_site


@pytest.fixture(autouse=True)
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of profiles, which is empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("ELASTANE_SITES", raising=False)
    folder = tmp_path / "elastane" / "sites"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["generic", "example-nvidia", "example-amd"])
def test_a_shipped_profile_is_sound(name: str) -> None:
    site = read_site(list_sites()[name])
    assert site.name == name
    render(JobRequest(Path("/run"), "beam", "key", 1, 1, 1, time=60), site)


def test_the_readme_tells_every_key() -> None:
    told = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in told for key in Site.model_fields)


def test_a_profile_is_chosen_by_the_host(sites: Path) -> None:
    (sites / "alpha.yaml").write_text('name: alpha\nhosts: ["alpha[0-9]+(\\\\.org)?"]\n')
    assert load_site(host="alpha7.org").name == "alpha"
    assert load_site(host="alpha7.org.evil").name == "generic"
    assert load_site(host="beta").name == "generic"
    assert load_site("alpha", host="beta").name == "alpha"


def test_a_profile_of_the_user_comes_first(
    sites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("ELASTANE_SITES", str(shared))
    (shared / "generic.yaml").write_text("name: generic\npartition: shared\n")
    assert load_site(host="x").partition == "shared"
    (sites / "generic.yaml").write_text("name: generic\npartition: mine\n")
    assert load_site(host="x").partition == "mine"


def test_an_unknown_profile_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'generic'"):
        load_site("genric")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitoin: x", "did you mean 'partition'"),
        ("launcher: bash", "must be 'srun' or 'mpiexec'"),
        ("modules: [gcc; rm]", "is no name of a module"),
        ("options: [--output=x]", "--output is given by the batch script itself"),
        ("options: [-p main]", "is no option of sbatch"),
        ("environment: {a-b: x}", "is no name of a variable"),
        ('environment: {A: "x\\ny"}', "is no plain word"),
        ("gpu_option: --gres=gpu:4", "write {gpus} once"),
        ('hosts: ["("]', "is no regular expression"),
        ("max_restarts: -1", "must be at least 0"),
        ("name: beta", "must be 'alpha', the name of the file"),
    ],
)
def test_a_bad_profile_is_refused_where_it_is_bad(sites: Path, text: str, words: str) -> None:
    path = sites / "alpha.yaml"
    path.write_text(text + "\n" if text.startswith("name") else f"name: alpha\n{text}\n")
    with pytest.raises(JobFileError) as caught:
        read_site(path)
    assert words in str(caught.value)
    assert f"alpha.yaml:{1 if text.startswith('name') else 2}:" in str(caught.value)
