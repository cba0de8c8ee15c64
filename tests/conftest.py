"""Fixtures that several test files share. Everything is real: reviews, TensorFlow, processes."""

import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

# As in a worker: the tests compare numbers with those of workers.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Otherwise every process that a test starts compiles this package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from typer.main import get_command
from typer.testing import CliRunner

import search
from search import read_leaderboard, run
from search.packaging import parity
from search.packaging.modelfile import ModelFile
from search.packaging.runtimes import LOADERS
from search.settings import Settings
from search.tuning import places
from search.tuning.executors import LocalSlot, LocalSlots, slots

if TYPE_CHECKING:  # TensorFlow
    from search import Corpus, SearchTuner

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample_reviews.csv"
FEWER_TEXTS = 200  # for the check of an export
FIXTURES = ROOT / "tests" / "fixtures"


def run_command(*arguments: object, cwd: Path = ROOT, timeout: float = 300, **environment: str):
    """Runs `python -m …` as a user would, and returns what it printed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def hang_up_ends() -> None:
    """For `preexec_fn`: SIGHUP ends the process, also where the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def processor_time(run: Callable[[], object]) -> float:
    """The seconds of processor time that the processes took which something started and ended.

    It is what the clock says on a machine that has nothing else to do.
    """

    def taken() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = taken()
    run()
    return taken() - before


def close(a: np.ndarray, b: np.ndarray) -> None:
    """Equal but for float32 sums in another order, relative to the largest entry."""
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, atol=2e-5 * max(1e-3, np.abs(b).max()), rtol=0)


def trials_of(results: Path) -> pd.DataFrame:
    """The trials of the leaderboard, by rank, numbered anew."""
    table = read_leaderboard(results).sort_values("rank", kind="stable")
    return table[table["kind"] == "trial"].reset_index(drop=True)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@cache
def one_worker() -> LocalSlots:
    """A process to train in, for all searches of this one that may have the same."""
    return LocalSlots([LocalSlot()])


def kept(count: int) -> AbstractContextManager[LocalSlots]:
    """As `slots`; who needs one worker has the one that is there."""
    if count > 1:
        return slots(count)
    for slot in one_worker():
        slot.holds = None  # a trial of another search
    return nullcontext(one_worker())


def run_here(module: str, *arguments: object) -> Done:
    """The same command in this process, which has imported TensorFlow and has a worker already.

    A file that it exports is tried on fewer texts than by the real command, and timed for less.
    """
    app, given = import_module(module).app, [str(a) for a in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "slots", kept)
        patch.setattr(parity, "TEXTS", FEWER_TEXTS)
        patch.setattr(parity, "SECONDS", 0.02)
        result = CliRunner().invoke(app, given, prog_name=f"python -m {module}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def settings_of(*options: object) -> Settings:
    """What the options of `python -m search.run` ask for."""
    found: list[Settings] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "search", lambda settings, **_: found.append(settings))
        patch.setattr(run, "print_outcome", lambda outcome: None)
        with pytest.raises(SystemExit) as end:
            get_command(run.app)([str(option) for option in options])
    assert end.value.code == 0
    return found[0]


def exported(
    path: Path,
    classes: int = 2,
    tokens: str = "unicode",
    networks: int = 1,
    mixed: bool = False,
    texts: Sequence[str] | None = None,
    longest: int = 40,
    **values: object,
) -> Path:
    """A model file as a search exports it, of random weights that tell texts apart.

    Its words are those of `texts`, by default the sample reviews; `longest` is the maximum number
    of tokens where `values` do not say it.
    """
    from search.corpus.encode import learn_vocabulary
    from search.network.space import Configuration
    from search.network.weights import Shape
    from search.packaging.description import describe, facts_of
    from search.packaging.text_model import save_model, text_model
    from tests.compiled.test_network import pair
    from tests.packaging.old_models import old_vocabulary, whitespace_model
    from tests.packaging.random_models import some_mixture

    if texts is None:
        texts = pd.read_csv(SAMPLE)["text"].to_numpy(dtype=object)
    values = {"embedding_dim": 8, "lstm_units": 6, **values}
    names = ("negative", "positive") if classes == 2 else tuple(f"c{n}" for n in range(classes))
    configuration = Configuration(**values)
    temperature = 1.0 if networks > 1 or mixed else 0.3
    mixture = some_mixture(classes) if mixed else None
    if tokens == "unicode":
        vocabulary, _ = learn_vocabulary(texts)
    else:
        vocabulary = old_vocabulary(tokens, texts)
    shape = Shape(len(vocabulary) + 2, classes, longest)
    input_config = shape.input_config(configuration)
    every = [pair(configuration, shape, seed)[0] for seed in range(networks)]
    if tokens == "unicode":
        model = text_model(every, vocabulary, input_config, mixture, temperature)
    else:
        model = whitespace_model(*every, tokens, vocabulary, input_config, temperature)
    save_model(model, path)
    facts = {
        "network": "bilstm",
        "networks": networks,
        "class_names": names,
        "hyperparameters": values,
        "temperature": temperature,
        "mixture": mixture and facts_of(mixture),
        "abstain": {"confidence": 1.2 / classes, "precision": 0.97},
        "tokens": tokens,
        "vocabulary_size": input_config.vocabulary_size,
        "max_length": input_config.max_length,
        "cut": input_config.cut,
        "data": "data/sample_reviews.csv",
    }
    describe(path, facts, vocabulary if tokens == "unicode" else None)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that the processes end at about the same time."""
    long = ("end_to_end", "faults", "packaging", "tests")
    items.sort(key=lambda item: item.path.parent.name not in long)


def pytest_configure() -> None:
    """Garbage is looked for seldom: among all that is imported it took up to a tenth of the time.

    `gc.freeze` would spare more, but Hypothesis looks for what refers to a generator.
    """
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Looks for garbage once; pytest, and Python several times as it ends, would do so again.

    Among all that TensorFlow has made, each takes half a second.
    """
    gc.collect()  # what goes wrong in it is still told by pytest
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The last lines name what was skipped; a reason says how to bring what is missing."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason}", yellow=True)


def common(factory: pytest.TempPathFactory) -> Path:
    """The folder that the processes of one run of pytest share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="module")
def only_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other process of pytest has a Ray cluster meanwhile."""
    with FileLock(common(tmp_path_factory) / "ray.lock"):
        yield


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first to need it fills, for all processes of pytest; to be read only."""
    base = common(factory)
    folder, ready = base / name, base / f"{name}.ready"
    with FileLock(base / f"{name}.lock"):
        if not ready.exists():
            folder.mkdir()
            make(folder)
            ready.touch()
    return folder


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One such file, to be read only."""
    name = "best_model.keras"
    return shared(tmp_path_factory, "model", lambda folder: exported(folder / name)) / name


@pytest.fixture(scope="session")
def quick_corpus() -> "Corpus":
    """The corpus of `tests.made.quick_settings`."""
    return search.load_corpus(Settings(data=str(SAMPLE), folds=2))


@pytest.fixture(scope="session")
def tune() -> Callable[..., "SearchTuner"]:
    """`search.tune` in the worker that is there."""

    def in_it(settings: Settings, corpus: "Corpus", **options: Any) -> "SearchTuner":
        with kept(1) as worker:
            return search.tune(settings, corpus, workers=worker, **options)

    return in_it


@pytest.fixture(scope="session")
def tuned(tune: Callable[..., "SearchTuner"]) -> Callable[..., "SearchTuner"]:
    """Searches as the command does with such options, but makes no model of the best trial."""

    def without_conclusion(*options: object) -> "SearchTuner":
        settings = settings_of(*options)
        return tune(settings, search.load_corpus(settings))

    return without_conclusion


def finished(
    factory: pytest.TempPathFactory, name: str, run: Callable[[Path], Done]
) -> tuple[Path, str, str]:
    """A finished search, made once for all processes of pytest: (results, stdout, stderr)."""

    def make(folder: Path) -> None:
        done = run(folder / "results")
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout, encoding="utf-8")
        (folder / "stderr").write_text(done.stderr, encoding="utf-8")

    folder = shared(factory, name, make)
    printed = [(folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
    return folder / "results", printed[0], printed[1]


def arrays(file: ModelFile) -> list[np.ndarray]:
    """All numbers of a model file, as far as a prediction depends on them."""
    mixture = file.mixture()
    found = [array for network in file.networks() for array in network]
    if mixture is not None:
        found += [np.array(mixture.weights), np.array(mixture.bias)]
        found += [part for model in mixture.models for part in (model.table, model.intercepts)]
    return found


@cache
def loaded(path: Path) -> Callable[[list[str]], np.ndarray]:
    """The `predict` of a file in Keras, loaded and traced once for all tests: texts to answers."""
    return LOADERS["keras"](path)


SAMPLE_SEARCH = (
    *("search.run", "--data", SAMPLE, "--trials", 4, "--max-epochs", 3),
    *("--seed", 7, "--finals", 0),
)


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A search over the sample reviews, by the real command: (results, stdout, stderr)."""

    def run(results: Path) -> Done:
        done = run_command(*SAMPLE_SEARCH, "--results", results)
        return Done(done.returncode, done.stdout, done.stderr)

    return finished(tmp_path_factory, "sample", run)


@pytest.fixture(scope="session")
def exported_run(
    sample_run: tuple[Path, str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, str]:
    """The same, and its best model in every other format: (results, stdout, stderr)."""

    def run(results: Path) -> Done:
        shutil.copytree(sample_run[0], results)
        return run_here(
            "search.export", "--results", results, "--format", "saved_model,onnx,litert"
        )

    return finished(tmp_path_factory, "exported", run)


CROSS_VALIDATED = ("search.run", "--data", SAMPLE, "--max-epochs", 3, "--workers", 1, "--folds", 2)
CROSS_VALIDATED = (*CROSS_VALIDATED, "--set", "ngrams=words")


@pytest.fixture(scope="session")
def finals_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """One whose best two trials were cross-validated: (results, stdout, stderr)."""

    def run(results: Path) -> Done:
        return run_here(*CROSS_VALIDATED, "--trials", 3, "--finals", 2, "--results", results)

    return finished(tmp_path_factory, "finals", run)
