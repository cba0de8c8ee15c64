"""What the documentation says that a model needs is all that it needs."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from search.packaging.classifier import load_classifier
from tests.conftest import ROOT
from tests.test_readme import KERAS, ONNX

TEXTS = ["a warm and funny film", "dull, and far too long"]  # those of the documentation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packages", "code", "absent"),
    [
        (["tensorflow"], KERAS, ["search", "keras_tuner", "pandas", "onnxruntime", "numba"]),
        (["onnxruntime", "numpy"], ONNX, ["search", "tensorflow", "keras", "pandas"]),
    ],
    ids=["the .keras file", "ONNX"],
)
def test_the_readmes_lines(exported_run, tmp_path, packages, code, absent):
    results = exported_run[0]
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = ["-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *packages]
    subprocess.run([python, *install], check=True)
    there = f"import importlib.util as u; print([m for m in {absent} if u.find_spec(m)])"
    found = subprocess.run(
        [python, "-c", there], cwd=results.parent, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTHON"))}
    done = subprocess.run(
        [python, "-c", code], cwd=results.parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()[-len(TEXTS) :]
    given = [float(re.search(r"\d\.\d+", line).group()) for line in printed]
    wanted = load_classifier(results / "best_model.keras").score(TEXTS)
    np.testing.assert_allclose(given, wanted[:, 0], atol=1e-6)
    assert json.loads((results / "best_model.json").read_text())["formats"]["onnx"]
