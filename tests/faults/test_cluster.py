"""The search on a Ray cluster of several nodes: equal to one at home, and nothing is ever lost."""

import contextlib
import re
import signal
import sys

import pytest

import search
from search.tuning import cluster
from tests.conftest import SAMPLE, run_command, run_here
from tests.end_to_end.own_network import TwoLayers
from tests.faults.conftest import assert_equals, launch, options, wait_until
from tests.faults.misbehaving import BEHAVIOURS, Misbehaving, reasons

ray = pytest.importorskip("ray", reason="needs Ray: pip install -c constraints.txt -e '.[cluster]'")
from ray.cluster_utils import Cluster  # noqa: E402  (where there is Ray)

pytestmark = pytest.mark.usefixtures("only_ray")
# Most of a minute of training, so that something can happen meanwhile.
LONG = ["--trials", "24", "--max-epochs", "12", "--patience", "12", "--set", "lstm_units=128"]


@contextlib.contextmanager
def nodes(count, head=0, **resources):
    """A cluster of a head, with so many cores, and so many other nodes, with one each."""
    arguments = {"num_cpus": head, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=arguments)
    try:
        made.workers = [made.add_node(num_cpus=1, **resources) for _ in range(count)]
        yield made
    finally:
        if ray.is_initialized():
            ray.shutdown()
        made.shutdown()


@pytest.fixture(scope="module")
def two_nodes():
    with nodes(1, head=1) as made:
        yield made


@pytest.fixture(scope="module")
def long_at_home(tmp_path_factory):
    """The long search without a cluster."""
    results = tmp_path_factory.mktemp("home") / "results"
    assert run_command(*options(results), *LONG, "--workers", "2").returncode == 0
    return results


def asked(results, made, *more):
    """The command of a search on a cluster: as many trials at a time as there is room for."""
    usual = options(results)
    place = usual.index("--workers")
    del usual[place : place + 2]
    return [*usual, "--cluster", made.address, *more]


def ended(results, number):
    """Whether so many trials have come to an end."""
    records = [path.read_text() for path in results.glob("trials/*/trial.json")]
    return sum('"ended_at": "' in record for record in records) >= number


def test_the_same_as_at_home(tmp_path, reference, two_nodes, capfd):
    results = tmp_path / "results"
    capfd.readouterr()
    done = run_here(*asked(results, two_nodes))
    assert done.returncode == 0, done.stderr
    assert "2 trials at a time on 2 nodes" in done.stderr
    assert_equals(results, reference)
    printed = "".join(capfd.readouterr()) + done.stdout + done.stderr
    assert "raylet" not in printed, "Ray's own messages are not shown"


def test_nodes_with_other_versions_are_refused(tmp_path, two_nodes, monkeypatch):
    right = cluster.version
    monkeypatch.setattr(cluster, "version", lambda n: "0.1" if n == "numpy" else right(n))
    done = run_here(*asked(tmp_path / "results", two_nodes))
    assert done.returncode == 2
    assert re.search(r"has numpy \d\S+, this machine 0\.1; install the same", done.stderr)


@pytest.mark.slow
def test_a_network_of_ones_own(tmp_path, two_nodes, monkeypatch):
    """Its module is not on the nodes: it travels by value."""
    settings = search.Settings(
        data=str(SAMPLE), trials=2, max_epochs=1, finals=0, results=tmp_path / "results",
        cluster=two_nodes.address,
    )  # fmt: skip
    monkeypatch.setattr(sys.modules["tests.end_to_end.own_network"], "__name__", "tests_own")
    monkeypatch.setattr(TwoLayers, "__module__", "tests_own")
    monkeypatch.setitem(sys.modules, "tests_own", sys.modules["tests.end_to_end.own_network"])
    tuner = search.tune(settings, search.load_corpus(settings), hypermodel=TwoLayers())
    assert {record.status for record in tuner.records.values()} <= {"completed", "pruned"}
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", "--cluster nowhere: expected auto, HOST:PORT or ray://HOST:PORT"),
        ("127.0.0.1:1", "--cluster 127.0.0.1:1: nobody answers there (Connection refused)"),
        ("ray://127.0.0.1:1", "--cluster 127.0.0.1:1: nobody answers there"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path, address, message):
    done = run_here(*options(tmp_path / "results"), "--cluster", address)
    assert done.returncode == 2 and message in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_last_cluster_is_over(tmp_path, monkeypatch):
    """Ray would try for minutes."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = run_here(*options(tmp_path / "results"), "--cluster", "auto")
    assert done.returncode == 2
    assert "--cluster 127.0.0.1:1: nobody answers there" in done.stderr


def test_without_ray(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = run_here(*options(tmp_path / "results"), "--cluster", "auto")
    assert done.returncode == 2
    assert 'pip install -c constraints.txt -e ".[cluster]"' in done.stderr


def test_options_that_need_a_cluster(tmp_path):
    done = run_here(*options(tmp_path / "results"), "--gpus-per-trial", "0.25")
    assert done.returncode == 2 and "--gpus-per-trial needs --cluster" in done.stderr


@pytest.mark.slow
def test_a_node_is_lost_and_another_joins(tmp_path, long_at_home):
    results = tmp_path / "results"
    with nodes(2) as made:
        running = launch(*asked(results, made, *LONG))
        wait_until(lambda: len(list(results.glob("trials/*/state.npz"))) == 2, 120)  # both train
        made.remove_node(made.workers[0], allow_graceful=False)  # SIGKILL to its processes
        made.add_node(num_cpus=1)
        _, errors = running.communicate(timeout=300)
    assert running.returncode == 0, errors
    told = [line for line in errors.splitlines() if "a time on" in line or "resumes" in line]
    losses = [n for n, line in enumerate(told) if line.startswith("the machine of trial")]
    both = [n for n, line in enumerate(told) if line.startswith("2 trials at a time on 2 nodes")]
    assert len(losses) == 1 and both[0] < losses[0] < both[-1], told
    assert_equals(results, long_at_home)


@pytest.mark.slow
def test_the_driver_is_killed_and_goes_on_elsewhere(tmp_path, long_at_home):
    results = tmp_path / "results"
    with nodes(2) as made:
        running = launch(*asked(results, made, *LONG))
        wait_until(lambda: ended(results, 5), 120)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        # On the same cluster, where the processes of the killed one have ended.
        running = launch(*asked(results, made, *LONG))
        wait_until(lambda: ended(results, 10), 120)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    with nodes(2) as another:
        done = run_command(*asked(results, another, *LONG))
        assert done.returncode == 0, done.stderr
    assert_equals(results, long_at_home)


@pytest.mark.slow
def test_every_way_to_fail_is_told_as_at_home(tmp_path, two_nodes):
    settings = search.Settings(
        data=str(SAMPLE), trials=6, max_epochs=2, finals=0, results=tmp_path / "results",
        trial_timeout=20, tuner="grid", cluster=two_nodes.address,
    )  # fmt: skip
    tuner = search.tune(settings, search.load_corpus(settings), hypermodel=Misbehaving())
    found = {record.values["behaviour"]: record for record in tuner.records.values()}
    assert sorted(found) == sorted(BEHAVIOURS)
    for behaviour, reason in reasons(20).items():
        assert found[behaviour].error.startswith(reason)
    details = settings.results / "trials" / found["raises"].trial_id / "error.txt"
    assert "misbehaving.py" in details.read_text(), "the traceback of the node"


@pytest.mark.slow
def test_trials_share_a_gpu_by_parts(tmp_path):
    """Ray only counts GPUs; the four trials find none and are trained by Keras on the CPU."""
    results = tmp_path / "results"
    with nodes(1, num_gpus=1) as made:
        more = ["--gpus-per-trial", "0.25", "--cpus-per-trial", "0.25", "--trials", "4"]
        done = run_command(*asked(results, made, *more, "--max-epochs", "1"))
    assert done.returncode == 0, done.stderr
    assert "4 trials at a time on 1 nodes" in done.stderr
