"""The training loop: sends epochs to workers, and takes in their results.

Trials are trained one epoch at a time. A result is plain values, which are written to disk before
anything is built on them.
"""

import math
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from search.errors import Interrupted, one_line
from search.tuning.agenda import Agenda
from search.tuning.endings import MOST_DEATHS, MOST_LOSSES, Endings
from search.tuning.foreign import packed
from search.tuning.inputs import Inputs, payload_for_nodes
from search.tuning.interrupts import StopRequest
from search.tuning.job import Job, save_job
from search.tuning.objective import balanced_weights
from search.tuning.proposals import Proposals
from search.tuning.records import Status, TrialRecord
from search.tuning.slots import MachineLost, Slot, Slots
from search.tuning.study import Study
from search.tuning.training import StateMissing, TrainResult, TrainTask, train

MOST_BEGINNINGS = 1 + MOST_DEATHS + MOST_LOSSES  # of one epoch; more can only be an endless loop
POLL_SECONDS = 0.2


class Loop:
    """Keeps every slot busy until nothing is left to do.

    Args:
        study: the run.
        agenda: the queue of trials and finals.
        proposals: the oracle, which gets the results.
        inputs: the files of the training data.
        slots: the workers.
        stop: whether the user asked to stop.
        deadline: when to stop, by the monotonic clock.
        epoch_ended: called with the record of a trial or final after each epoch, once it is saved.
        ended: called with the record of every trial and final that has ended.
        watch: called several times a second.
    """

    def __init__(
        self,
        study: Study,
        agenda: Agenda,
        proposals: Proposals,
        inputs: Inputs,
        slots: Slots,
        *,
        stop: StopRequest,
        deadline: float = math.inf,
        epoch_ended: Callable[[TrialRecord], None],
        ended: Callable[[TrialRecord], None],
        watch: Callable[[], None],
    ) -> None:
        self._study = study
        self._agenda = agenda
        self._inputs = inputs
        self._slots = slots
        self._stop = stop
        self._deadline = deadline
        self._epoch_ended = epoch_ended
        self._endings = Endings(study, agenda, proposals, epoch_ended, ended)
        self._watch = watch
        self._beginnings: Counter[tuple[str, int, int]] = Counter()
        self._running: dict[Slot, tuple[Job, Future[TrainResult]]] = {}
        self._hypermodel: bytes | None = None
        self._class_weights = None
        if study.settings.class_weight is not None:
            labels = study.corpus.train.labels
            self._class_weights = balanced_weights(labels, study.shape.classes)

    def run(self) -> None:
        """Trains until the queue is empty, time is up or the user stops it.

        Raises:
            NothingUsable: the first trials all failed in the same way.
            Interrupted: the user asked to stop; everything is saved.
        """
        study = self._study
        # Built by Keras, in the workers; None where the compiled code trains.
        hypermodel = None if study.compiled else study.hypermodel
        self._slots.prepare(lambda: payload_for_nodes(self._inputs, study.corpus), hypermodel)
        if hypermodel is not None:
            self._hypermodel = packed(hypermodel)
        self._agenda.take_up()
        announced = False
        while True:
            self._slots.refresh()
            self._fill_slots()
            busy = {slot: job.so_far for slot, (job, _) in self._running.items()}
            study.under_way = [busy.get(slot) for slot in dict.fromkeys([*self._slots, *busy])]
            self._watch()
            if self._stop and self._running and not announced:
                study.warn(self._stop.notice)
                announced = True
            if self._running and self._stop.at_once:
                self._give_up_running()
            elif self._running:
                self._wait()
            elif len(self._slots) or self._stops:
                break
            else:
                time.sleep(POLL_SECONDS)  # until a machine is there
        if self._out_of_time and not self._stop:
            self._end_waiting()
        if self._stop:
            assert self._stop.signal_number is not None
            ended = sum(record.status != "running" for record in study.records.values())
            raise Interrupted(
                f"stopped; {ended} of {study.settings.trials} trials are finished and everything "
                "is saved. The same command continues",
                self._stop.signal_number,
            )

    @property
    def _out_of_time(self) -> bool:
        return time.monotonic() > self._deadline

    @property
    def _stops(self) -> bool:
        """Whether no further epoch is started."""
        return bool(self._stop) or self._out_of_time

    def _fill_slots(self) -> None:
        for slot in self._slots:
            if slot in self._running or self._stops:
                continue
            job = self._next()
            if job is None:
                break
            self._running[slot] = job, self._submit(slot, job)

    def _next(self) -> Job | None:
        """Returns the next trial to train; None if there is none at present."""
        running = [job for job, _ in self._running.values()]
        while (job := self._agenda.next(running)) is not None:
            # A resumed trial may already be finished or due for pruning: its process was killed
            # between the epoch and the decision.
            status = self._verdict(job, [*self._agenda.waiting, *running])
            if status is not None:
                self._endings.finish(job, status)
            elif self._may_begin(job):
                return job
        return None

    def _may_begin(self, job: Job) -> bool:
        """Whether a trial's next epoch may be started; a trial fails after too many starts of one.

        Every reason to restart an epoch is bounded already; this guards against endless loops.
        """
        epoch = job.done_epochs + 1
        begun = job.record.trial_id, epoch, job.record.batch_size
        self._beginnings[begun] += 1
        if self._beginnings[begun] <= MOST_BEGINNINGS:
            return True
        reason = f"its epoch {epoch} was begun {MOST_BEGINNINGS} times, and it never came to an end"
        self._endings.fail(job, reason, reason + "\n")
        return False

    def _verdict(self, job: Job, others: list[Job]) -> Status | None:
        """Decides whether a trial ends now, and how; None if it continues."""
        if job.is_over(self._study.settings.patience):
            return "completed"
        return "pruned" if self._is_weak(job, others) else None

    def _is_weak(self, job: Job, others: list[Job]) -> bool:
        """Whether a running trial is pruned now; it may be promoted later."""
        if job.record.is_final or len(job.history) <= job.record.granted:
            return False
        running = [other.history for other in others if not other.record.is_final]
        return self._study.rungs.stops(job.history, running)

    def _wait(self) -> None:
        """Waits a moment for results, and handles those that came."""
        futures = [future for _, future in self._running.values()]
        wait(futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for slot, (job, future) in list(self._running.items()):
            if future.done():
                del self._running[slot]
                following = self._take_in(slot, job, future)
                if following is not None:
                    self._running[slot] = job, following
            elif not slot.ready:  # a trial's time begins when its worker has started
                job.submitted_at = time.monotonic()
            elif self._is_late(job):
                job.timed_out = True
                slot.kill()

    def _give_up_running(self) -> None:
        """Handles results that came, and kills epochs in flight: their trials can resume later."""
        for slot, (job, future) in list(self._running.items()):
            del self._running[slot]
            if future.done():
                self._take_in(slot, job, future)
            else:
                slot.kill()

    def _end_waiting(self) -> None:
        """Prunes waiting trials, so that they count with the epochs they have."""
        while self._agenda.waiting:
            job = self._agenda.waiting.popleft()
            if job.best is not None and not job.record.is_final:
                self._endings.finish(job, "pruned")

    def _is_late(self, job: Job) -> bool:
        limit = self._study.settings.trial_timeout
        if limit is None or job.timed_out:
            return False
        before = sum(epoch.seconds for epoch in job.history)
        return before + time.monotonic() - job.submitted_at > limit

    # -- an epoch --------------------------------------------------------------------------

    def _submit(self, slot: Slot, job: Job) -> "Future[TrainResult]":
        """Sends a trial's next epoch to a worker, with its state unless the worker holds it."""
        task = self._next_epoch(job, slot.threads(self._trials_at_a_time()))
        if slot.holds == task.at(task.from_epoch):
            task = replace(task, state=None)
        slot.holds = None
        job.submitted_at = time.monotonic()
        return slot.submit(train, task)

    def _next_epoch(self, job: Job, threads: int = 1) -> TrainTask:
        """Returns the task of training a trial for one more epoch."""
        study, record, done = self._study, job.record, job.done_epochs
        return TrainTask(
            corpus=self._inputs.corpus,
            configuration=study.configuration(record.values),
            hypermodel=self._hypermodel,
            shape=study.shape,
            trial_id=record.trial_id,
            values=record.values,
            seed=record.seed,
            batch_size=record.batch_size,
            from_epoch=done,
            to_epoch=done + 1,
            threads=threads,
            objective=study.settings.objective,
            positive=study.positive,
            class_weights=self._class_weights,
            features=self._inputs.features,
            fold=study.fold_of(record),
            state=job.state,
        )

    def _trials_at_a_time(self) -> int:
        """How many trials share the cores: fewer than slots towards the end."""
        slots = max(1, len(self._slots))
        if self._study.remaining_trials or self._study.next_final():
            return slots
        return min(slots, len(self._study.unfinished()))

    def _take_in(
        self, slot: Slot, job: Job, future: "Future[TrainResult]"
    ) -> "Future[TrainResult] | None":
        """Handles a worker's result or error; returns the trial's next epoch if it continues."""
        try:
            result = future.result()
        except BrokenProcessPool as error:
            slot.replace()
            self._endings.after_death(job, lost=isinstance(error, MachineLost))
            return None
        except StateMissing:  # the process was replaced between two epochs
            slot.holds = None
            return None if self._stop else self._submit(slot, job)
        except Exception as error:
            slot.holds = None
            size = self._study.configuration(job.record.values).batch_size
            if _out_of_memory(error) and job.record.batch_size == size > 1:
                self._endings.halve_batches(job)
                return None if self._stop else self._submit(slot, job)
            details = "".join(traceback.format_exception(error))
            self._endings.fail(
                job, one_line(error), details, machine_fault=isinstance(error, OSError)
            )
            return None
        job.advance(result)
        self._study.epochs_trained += len(result.epochs) * self._study.networks_of(job.record)
        slot.holds = self._next_epoch(job).at(job.done_epochs)
        status = self._verdict(job, [other for other, _ in self._running.values()])
        late = self._out_of_time
        if status is None and late and not job.record.is_final:
            status = "pruned"  # a final that is out of time goes on when the run does
        # The worker trains on while this process writes.
        following = None if status or self._stop or late else self._submit(slot, job)
        # Of a trial that is over, its weights are saved.
        if status != "completed" or self._study.keeps_states:
            save_job(job, self._study)
        if status is None:
            self._epoch_ended(job.so_far)
        else:
            self._endings.finish(job, status, new_epoch=True)
            slot.trial_ended()
        return following


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
