"""docs/clusters.md: its recipes are right as far as can be seen without their machines."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from search.run import app
from tests.conftest import ROOT, SAMPLE, run_command, trials_of

ray = pytest.importorskip("ray", reason="needs Ray: pip install -c constraints.txt -e '.[cluster]'")

GUIDE = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
SHELL = [text for kind, text in BLOCKS if kind == "bash"]
YAML = [text for kind, text in BLOCKS if kind == "yaml"]
COMMANDS = re.findall(r"python -m search\.run [^&'\n]*", GUIDE)


@pytest.mark.parametrize("text", SHELL)
def test_shell(text):
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    assert len(COMMANDS) == 6
    get_command(app).make_context("search.run", shlex.split(command)[3:])


def test_kubernetes():
    cluster, claim = yaml.safe_load_all(YAML[0])
    spec = cluster["spec"]
    assert spec["rayVersion"] == ray.__version__ and spec["authOptions"] == {"mode": "token"}
    image = next(text for kind, text in BLOCKS if kind == "dockerfile")
    assert f"rayproject/ray:{ray.__version__}-" in image
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in pods:
        (container,) = pod["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
    (volume,) = pods[0]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert "--results /results/" in GUIDE


def test_the_launchers_file():
    needed = "needs jsonschema: pip install -c constraints.txt -e '.[dev]'"
    jsonschema = pytest.importorskip("jsonschema", reason=needed)
    config = yaml.safe_load(YAML[1])
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(config, json.loads(schema.read_text()))
    starts = [config["head_start_ray_commands"][-1], config["worker_start_ray_commands"][-1]]
    assert all(line.startswith("RAY_AUTH_MODE=token ") for line in starts)
    assert config["head_node_type"] in config["available_node_types"]


@pytest.mark.slow
@pytest.mark.usefixtures("only_ray")  # `ray stop` ends all there is
def test_two_machines_by_hand(tmp_path):
    """The recipe, to the letter but for addresses: two nodes of this machine, and nobody else's."""
    begin = GUIDE.index("## Two machines by hand")
    head, other, command = re.findall(r"^```bash\n(.*?)^```", GUIDE[begin:], re.M | re.S)[:3]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = "\n".join(line for line in head.splitlines() if not line.startswith(("ssh ", "scp ")))
    script = "\n".join(["set -e", kept, other, command])
    script = script.replace("10.0.0.1", "127.0.0.1").replace("6379", str(port))
    more = f"--data {SAMPLE} --max-epochs 1 --finals 0 --results {tmp_path / 'results'}"
    script = script.replace("--trials 500", f"--trials 3 {more}")
    script = script.replace("--head", "--head --include-dashboard=false --num-cpus=1")
    script = script.replace("ray start --address", "ray start --num-cpus=1 --address")
    script = script.replace(".venv/bin/python", sys.executable)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    try:
        done = subprocess.run(
            ["bash", "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        usual = {name: environment[name] for name in ("PATH", "HOME")}
        for strange in (
            {"RAY_AUTH_MODE": "disabled"},
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 32},
        ):
            stranger = run_command(
                "search.run", "--data", SAMPLE, "--cluster", f"127.0.0.1:{port}",
                "--results", tmp_path / "none", **usual, **strange,
            )  # fmt: skip
            assert stranger.returncode == 2, stranger.stderr
            assert "the token of both sides must be the same" in stranger.stderr
    finally:
        subprocess.run(
            ["ray", "stop", "--force"], env=environment, capture_output=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "2 trials at a time on 2 nodes" in done.stderr
    assert "no authentication" not in done.stderr
    assert len(trials_of(tmp_path / "results")) == 3
