import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from search.errors import SettingsError
from search.reporting import tensorboard
from search.reporting.archive import read_archive
from search.reporting.tensorboard import SCALARS, Board, check_installed
from tests.conftest import SAMPLE
from tests.made import made_run


@pytest.fixture
def archive(tmp_path):
    return read_archive(made_run(tmp_path / "r", 8))


def read(results):
    """The runs that TensorBoard finds: by name, its reader and the names of what is in them."""
    found = EventMultiplexer().AddRunsFromDirectory(str(results / "tensorboard"))
    found.Reload()
    return found, {name: set(kinds["tensors"]) for name, kinds in found.Runs().items()}


def test_curves_of_every_trial(archive):
    Board(archive.path)(archive.trials)
    found, runs = read(archive.path)
    assert set(runs) == {".", *(r.trial_id for r in archive.trials)}
    for record in archive.trials:
        for name in SCALARS:
            events = found.Tensors(record.trial_id, name)
            values = [(e.step, float(make_ndarray(e.tensor_proto))) for e in events]
            expected = [(e.epoch, pytest.approx(getattr(e, name))) for e in record.history]
            assert values == expected


def test_hyperparameters_for_the_hparams_plugin(archive):
    Board(archive.path)(archive.trials)
    found, _ = read(archive.path)
    metadata = found.SummaryMetadata(".", "_hparams_/experiment").plugin_data
    experiment = HParamsPluginData.FromString(metadata.content).experiment
    assert [info.name for info in experiment.hparam_infos] == ["units", "pooling", "rate"]
    assert [m.name.tag for m in experiment.metric_infos] == list(SCALARS)
    metadata = found.SummaryMetadata("0003", "_hparams_/session_start_info").plugin_data
    values = HParamsPluginData.FromString(metadata.content).session_start_info.hparams
    record = archive.trials[3]
    assert values["rate"].number_value == record.values["rate"]
    assert values["pooling"].string_value == record.values["pooling"]


def test_a_trial_that_went_on_is_there_once(archive):
    board = Board(archive.path)
    board(archive.trials)
    first = archive.trials[0]
    more = replace(first.history[-1], epoch=len(first.history) + 1, val_loss=0.123)
    board([replace(first, history=(*first.history, more)), *archive.trials[1:]])
    assert len(list((archive.path / "tensorboard" / "0000").iterdir())) == 1
    found, _ = read(archive.path)
    assert len(found.Tensors("0000", "val_loss")) == len(first.history) + 1


def test_nothing_is_written_of_nothing(archive):
    running = [replace(r, status="running") for r in archive.trials]
    Board(archive.path)([*running, replace(archive.trials[0], history=())])
    assert not (archive.path / "tensorboard").exists()


def test_without_the_package(monkeypatch):
    check_installed()
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install .* '\.\[tensorboard\]'"):
        check_installed()


def test_a_search_writes_them(tuned, tmp_path):
    results = tmp_path / "r"
    options = ("--data", SAMPLE, "--trials", 2, "--max-epochs", 1, "--finals", 0)
    tuned(*options, "--results", results, "--tensorboard")
    _, runs = read(results)
    assert set(runs) == {".", "0000", "0001"}


@pytest.mark.slow
def test_the_server_shows_them(archive):
    Board(archive.path)(archive.trials)
    server = subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "tensorboard"), "--logdir"),
            *(str(archive.path / "tensorboard"), "--port", "0", "--host", "127.0.0.1"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(m[0] for line in server.stderr if (m := re.search(r"http://\S+", line)))

        def asked(path, body=None):
            request = urllib.request.Request(address + path, data=body)
            request.add_header("Content-Type", "application/json")
            return json.load(urllib.request.urlopen(request, timeout=30))

        wanted = {".", *(r.trial_id for r in archive.trials)}
        for _ in range(100):  # it reads in a thread of its own
            with contextlib.suppress(OSError):
                if set(asked("data/runs")) == wanted:
                    break
            time.sleep(0.2)
        assert set(asked("data/plugin/scalars/tags")) >= wanted - {"."}
        body = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS"]}
        body |= {"colParams": [], "startIndex": 0, "sliceSize": 100}
        groups = asked("data/plugin/hparams/session_groups", json.dumps(body).encode())
        assert len(groups["sessionGroups"]) == len(archive.trials)
        assert {"units", "pooling", "rate"} <= set(groups["sessionGroups"][0]["hparams"])
        names = {m["name"]["tag"] for m in groups["sessionGroups"][0]["metricValues"]}
        assert names == set(SCALARS)
    finally:
        server.kill()
        server.communicate()
