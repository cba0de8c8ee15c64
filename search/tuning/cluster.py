"""Slots on a Ray cluster.

A slot is a Ray actor: one process that keeps the network it trained last, as on this machine. The
code of this package, the corpus and the word features are sent to every node once, through Ray.
Results come back as plain values, and this process alone writes files. So no shared file system is
needed, and a node may leave at any time: its trials continue elsewhere from their last epoch.

Ray is imported only when a cluster is asked for.
"""

import contextlib
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from typing import Any

import cloudpickle

from search.errors import ClusterError, one_line
from search.tuning import training
from search.tuning.connection import LONGEST, connected
from search.tuning.slots import TRIALS_A_WORKER, MachineLost
from search.tuning.worker import import_training

SAME = ("ray", "numpy", "numba", "scipy")
"""Packages that must be of the same version everywhere: arrays and results travel."""

LOOK_SECONDS = 1.0  # between looks at which nodes there are


def versions() -> dict[str, str]:
    """Installed versions of the packages that must be the same on all nodes."""
    return {name: version(name) for name in SAME} | {"python": platform.python_version()}


class Trainer:
    """The Ray actor: runs functions in a process of its own, on some node."""

    def start(self, keras: bool) -> dict[str, Any]:
        """Imports what training needs; returns the node's id and versions."""
        import ray

        import_training(keras)
        return {"node": ray.get_runtime_context().get_node_id(), "versions": versions()}

    def give(self, *pairs: Any) -> None:
        """Receives names and contents in turn: see `training.give`."""
        training.give(dict(zip(pairs[::2], pairs[1::2], strict=True)))

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Runs a function."""
        return function(*arguments)


class ClusterSlot:
    """A slot with one Ray actor: see `search.tuning.slots.Slot`.

    Attributes:
        started: the result of `Trainer.start`; None until it has started.
        gone: whether the actor is dead or was abandoned.
    """

    def __init__(self, owner: "ClusterSlots") -> None:
        self.holds: training.TrainTask | None = None
        self.gone = False
        self.started: dict[str, Any] | None = None
        self._owner, self._trials = owner, 0
        self._actor = owner.new_actor()
        self.starting: Future[Any] = self._call(self._actor.start, owner.keras)
        self.give()

    @property
    def ready(self) -> bool:
        """See `Slot`."""
        return self.started is not None and not self.gone

    def threads(self, trials: int) -> int:
        """See `Slot`: the threads of its CPU share, however many other slots there are."""
        return self._owner.threads

    def give(self) -> None:
        """Sends the training data to the actor, if it is known yet."""
        if pairs := self._owner.references.items():
            self._actor.give.remote(*(part for pair in pairs for part in pair))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """See `Slot`."""
        return self._call(self._actor.run, function, *arguments)

    def _call(self, method: Any, *arguments: Any) -> "Future[Any]":
        """Calls a method; the future raises the same exceptions as a local slot's."""
        from ray import exceptions

        future: Future[Any] = Future()

        def pass_on(done: "Future[Any]") -> None:
            error = done.exception()
            if error is None:
                future.set_result(done.result())
            elif isinstance(error, exceptions.RayTaskError):
                cause = error.cause
                cause.__cause__ = RuntimeError(str(error))  # the traceback there
                future.set_exception(cause)
            elif isinstance(error, (exceptions.RayActorError, exceptions.ObjectLostError)):
                # A node reports the death of a process; without a report the node itself is lost.
                alone = isinstance(error, exceptions.ActorDiedError)
                lost = not alone or "its node" in str(error)
                broken = (MachineLost if lost else BrokenProcessPool)(one_line(error, LONGEST))
                broken.__cause__ = error
                future.set_exception(broken)
            else:
                future.set_exception(error)

        method.remote(*arguments).future().add_done_callback(pass_on)
        return future

    def kill(self) -> None:
        """See `Slot`."""
        self._owner.kill(self._actor)

    def replace(self) -> None:
        """See `Slot`; a new actor becomes another slot as soon as there is room for it."""
        self.kill()
        self.gone = True

    def trial_ended(self) -> None:
        """See `Slot`."""
        self._trials += 1
        if self._trials >= TRIALS_A_WORKER:
            self.replace()


class ClusterSlots:
    """The slots of a cluster, as many as fit on its nodes.

    Args:
        cpus, gpus: resources of one slot.
        threads: number of threads per trial.
        count: number of slots to request, even if they do not fit yet, so that an autoscaling
            cluster grows. None for as many as fit.
        warn: called with a sentence when their number changes.

    Attributes:
        keras: whether Keras trains the networks.
        references: the training data in Ray's object store, by name.
        threads: number of threads per trial.
    """

    def __init__(
        self,
        cpus: float,
        gpus: float,
        threads: int,
        count: int | None,
        warn: Callable[[str], None],
    ) -> None:
        import ray

        self._ray: Any = ray
        self._cpus, self._gpus, self._count, self._warn = cpus, gpus, count, warn
        self.keras = gpus > 0
        self.threads = threads
        self._actors: Any = ray.remote(Trainer).options(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0
        )
        self._all: list[ClusterSlot] = []
        self.references: dict[str, Any] = {}
        self._reported = (0, 0)
        self._next_look = 0.0

    def __iter__(self) -> Iterator[ClusterSlot]:
        return iter([slot for slot in self._all if slot.ready])

    def __len__(self) -> int:
        return sum(slot.ready for slot in self._all)

    def new_actor(self) -> Any:
        """Returns an actor that starts as soon as a node has room for it."""
        return self._actors.remote()

    def kill(self, actor: Any) -> None:
        """Ends an actor's process."""
        with contextlib.suppress(Exception):  # it, or its node, or the cluster is gone
            self._ray.kill(actor)

    def nodes(self) -> dict[str, dict[str, float]]:
        """The resources of each living node, by its id."""
        try:
            return {
                node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]
            }
        except Exception as error:  # Ray raises what its network raises
            raise ClusterError(
                f"the cluster does not answer any more ({one_line(error, LONGEST)}). What was "
                "finished is saved; the same command continues, also on another cluster"
            ) from error

    def prepare(self, given: Callable[[], dict[str, Any]], hypermodel: Any) -> None:
        """See `search.tuning.slots.Slots`."""
        if hypermodel is not None:
            _travels_by_value(hypermodel)
            if not self.keras:
                self.keras = True
                for slot in self._all:  # which import what is not needed
                    slot.replace()
        self.references = {name: self._ray.put(content) for name, content in given().items()}
        for slot in self._all:
            slot.give()
        self.refresh()

    def refresh(self) -> None:
        """See `search.tuning.slots.Slots`.

        Raises:
            ClusterError: a node cannot train, or the cluster is gone.
        """
        changed = any(s.gone or (s.started is None and s.starting.done()) for s in self._all)
        if time.monotonic() < self._next_look and not changed:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        nodes = self.nodes()
        for slot in self._all:
            if slot.started is None and slot.starting.done() and not slot.gone:
                self._take_on(slot)
            if slot.started is not None and slot.started["node"] not in nodes:
                slot.gone = True
        self._all = [slot for slot in self._all if not slot.gone]
        wanted = self._count or max(1, sum(map(self._room, nodes.values())))
        while len(self._all) < wanted:
            self._all.append(ClusterSlot(self))
        for slot in [slot for slot in self._all if slot.started is None][: len(self._all) - wanted]:
            slot.replace()  # for it there is no room any more
        used = {slot.started["node"] for slot in self._all if slot.started is not None}
        size = (len(self), len(used))
        if size != self._reported:
            self._reported = size
            self._warn(f"{size[0]} trials at a time on {size[1]} nodes of the cluster")

    def _room(self, resources: dict[str, float]) -> int:
        """The number of slots that fit on an idle node."""
        asked = {"CPU": self._cpus, "GPU": self._gpus}
        fit = [resources.get(name, 0) / amount for name, amount in asked.items() if amount]
        return math.floor(min(fit) + 1e-6)  # four quarters of a GPU are one

    def _take_on(self, slot: ClusterSlot) -> None:
        """Checks that a started actor has the same versions of packages."""
        try:
            started = slot.starting.result()
        except BrokenProcessPool:  # with its node, as a rule
            slot.gone = True
            return
        except Exception as error:
            raise ClusterError(
                f"a node of the cluster cannot train: {one_line(error, LONGEST)}; install this "
                "package's requirements on every node, with the same constraints.txt"
            ) from error
        mine = versions()
        for name, found in started["versions"].items():
            if found != mine[name]:
                raise ClusterError(
                    f"a node of the cluster has {name} {found}, this machine {mine[name]}; install "
                    "the same everywhere, with the same constraints.txt"
                )
        slot.started = started


@contextlib.contextmanager
def cluster_slots(
    address: str,
    cpus: float,
    gpus: float,
    count: int | None,
    warn: Callable[[str], None],
) -> Iterator[ClusterSlots]:
    """Makes slots on a cluster for a block; their processes end with it.

    Args:
        address: auto, HOST:PORT or ray://HOST:PORT.
        cpus, gpus: resources per trial.
        count: trials at a time; None for as many as fit.
        warn: called with a sentence for each change or problem.

    Raises:
        SettingsError: the address is invalid, or Ray is not installed.
        ClusterError: the cluster cannot be reached or used.
    """
    threads = max(1, min(2, int(cpus)))  # no more than two directions can use
    with connected(address, threads, warn):
        slots = ClusterSlots(cpus, gpus, threads, count, warn)
        slots.refresh()
        yield slots


def _travels_by_value(thing: object) -> None:
    """Has the module of a user's class pickled by value, since nodes need not have it."""
    module = sys.modules[type(thing).__module__]
    if module.__name__.split(".")[0] not in ("search", "keras_tuner"):
        cloudpickle.register_pickle_by_value(module)
