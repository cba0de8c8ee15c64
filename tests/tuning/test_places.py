"""Where a run trains."""

import os
import subprocess
import sys

import pytest

import search
from search.errors import SettingsError
from search.tuning.places import choose_device
from tests.conftest import ROOT, SAMPLE, run_here

ON_CPU = """
import os
import search
from search.tuning.executors import LocalSlots
from search.tuning.places import choose_device, slots_for

if __name__ == "__main__":
    settings = search.Settings(device="cpu", workers=1)
    choose_device(settings)
    with slots_for(settings, print) as slots:
        print(slots[0].submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(timeout=120))
    import tensorflow as tf
    print(os.environ["CUDA_VISIBLE_DEVICES"], tf.config.list_physical_devices("GPU"))
"""


def test_cpu_hides_gpus_from_all_processes(tmp_path):
    program = tmp_path / "on_cpu.py"
    program.write_text(ON_CPU)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "0"}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["-1", "-1 []"]


@pytest.mark.skipif("CUDA_VISIBLE_DEVICES" in os.environ, reason="GPUs are chosen already")
def test_auto_changes_nothing():
    choose_device(search.Settings())
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_gpu_that_is_not_there_is_refused_at_the_start(tmp_path):
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is one")
    results = tmp_path / "results"
    done = run_here("search.run", "--data", SAMPLE, "--device", "gpu", "--results", results)
    assert done.returncode == 2 and not results.exists()
    assert "--device gpu: TensorFlow finds no GPU here; leave --device out" in done.stderr
    with pytest.raises(SettingsError, match="of a cluster, --gpus-per-trial"):
        choose_device(search.Settings(device="gpu", cluster="auto"))
