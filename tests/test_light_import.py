"""Training needs torch, numpy, Pillow, tqdm and safetensors; everything else is for notebooks and may be missing."""

import json
import subprocess
import sys
import textwrap

OTHERS = ("matplotlib", "typer", "IPython", "jupyterlab", "ipywidgets", "papermill", "scipy", "pandas", "pydicom", "yaml", "sklearn", "skimage")


def python(script: str, *arguments) -> str:
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_a_run_needs_no_notebook_packages(pyramid_path, tmp_path):
    out = python(
        """
        import json, sys
        for name in sys.argv[3].split(","):
            sys.modules[name] = None  # importing it raises ImportError
        import idcgan
        run = idcgan.train(idcgan.preset("tiny"), sys.argv[1], sys.argv[2], device="cpu", progress=False)
        films = idcgan.sample(run.path, 2, run.path.parent / "films", device="cpu", progress=False)
        try:
            import matplotlib
        except ImportError:
            print(json.dumps([run.run["status"], run.run["warnings"], len(films)]))
        """,
        pyramid_path, tmp_path / "run", ",".join(OTHERS),
    )  # fmt: skip
    assert json.loads(out.splitlines()[-1]) == ["finished", ["losses.png was not drawn: matplotlib is not installed."], 2]
    assert not (tmp_path / "run" / "losses.png").exists()
    assert (tmp_path / "run" / "timelapse.png").exists()
    assert (tmp_path / "run" / "generator-0032.safetensors").exists()


def test_importing_the_package_loads_none_of_them():
    """And `import idcgan` alone not even torch: the processes that build a pyramid start without it."""
    out = python(
        """
        import json, sys
        import idcgan
        alone = [name for name in ("torch", "numpy", "PIL") if name in sys.modules]
        for name in idcgan.__all__:
            getattr(idcgan, name)
        print(json.dumps([alone, [name for name in sys.argv[1].split(",") if name in sys.modules]]))
        """,
        ",".join(OTHERS),
    )  # fmt: skip
    assert json.loads(out) == [[], []]


def test_an_unknown_name_is_an_attribute_error():
    import idcgan

    assert not hasattr(idcgan, "no_such_thing")
    assert idcgan.RunConfig is __import__("idcgan.config").config.RunConfig
