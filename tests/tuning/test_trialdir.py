"""The files of a trial: what was written comes back, and damage is noticed."""

import numpy as np

from search.tuning.records import Epoch
from tests.made import record


def test_state_comes_back_and_damage_is_noticed(run):
    run.trial("0000").save_record(record(0, 0.7))
    history = (Epoch(1, 0.1, 0.2, 0.3, 0.4, 0.3),)
    state = {"weights/0": np.arange(1000, dtype=np.float32), "random/0": np.array([1, 2])}
    run.trial("0000").save_state(history, state)
    back, arrays = run.trial("0000").load_state()
    assert back == history
    assert {k: v.tolist() for k, v in arrays.items()} == {k: v.tolist() for k, v in state.items()}
    path = run.trial("0000").path / "state.npz"
    content = bytearray(path.read_bytes())
    content[800] ^= 1  # one bit, in the middle of the numbers
    path.write_bytes(content)
    assert run.trial("0000").load_state() is None
    assert (run.trial("0000").path / "state.npz.unreadable").exists()


def test_weights_keep_their_order(run):
    run.trial("0000").save_record(record(0, 0.7))
    weights = [np.full(2, n, np.float32) for n in range(25)]
    run.trial("0000").save_weights(weights)
    assert [int(w[0]) for w in run.trial("0000").load_weights()] == list(range(25))
    run.trial("0000").remove_weights()
    assert run.trial("0000").load_weights() is None
