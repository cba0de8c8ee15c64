"""How trials end, and how they are retried after a dead worker or a lack of memory."""

from collections.abc import Callable
from dataclasses import replace

from search.tuning.agenda import Agenda
from search.tuning.job import Job
from search.tuning.machine import killed_for_memory
from search.tuning.proposals import Proposals
from search.tuning.records import Status, TrialRecord, now
from search.tuning.study import Study

MOST_DEATHS = 2  # of workers, that a trial survives
MOST_LOSSES = 20  # of machines, that it survives


class Endings:
    """Records how trials and finals end, and reports it to the oracle and the listener.

    Args:
        study: the run.
        agenda: the queue, for trials to be retried.
        proposals: the oracle.
        epoch_ended: called with the record of a trial whose last epoch was saved.
        ended: called with the record of every trial and final that has ended.
    """

    def __init__(
        self,
        study: Study,
        agenda: Agenda,
        proposals: Proposals,
        epoch_ended: Callable[[TrialRecord], None],
        ended: Callable[[TrialRecord], None],
    ) -> None:
        self._study = study
        self._agenda = agenda
        self._proposals = proposals
        self._epoch_ended = epoch_ended
        self._ended = ended
        self._memory_kills = killed_for_memory()

    def finish(self, job: Job, status: Status, *, new_epoch: bool = False) -> None:
        """Ends or prunes a trial; the checkpoint of a pruned one is kept while it may resume.

        Args:
            job: the trial.
            status: "completed" or "pruned".
            new_epoch: whether its last epoch is still to be reported.
        """
        assert job.best is not None and job.predicted is not None
        run, record = self._study.run, job.record
        run.trial(record.trial_id).save_weights(job.best)
        run.trial(record.trial_id).save_predictions(job.predicted)
        record = replace(
            record,
            status=status,
            history=job.history,
            ended_at=now(),
            parameters=record.parameters or sum(array.size for array in job.best),
        )
        self._put(record)
        self._study.remove_unneeded()
        if new_epoch:
            self._epoch_ended(record)
        self._end(record)

    def fail(self, job: Job, reason: str, details: str, *, machine_fault: bool = False) -> None:
        """Ends a trial as failed.

        Args:
            job: the trial.
            reason: one line for the leaderboard.
            details: the traceback for error.txt.
            machine_fault: whether the machine is to blame: then the next run retries the trial.
        """
        self._study.run.trial(job.record.trial_id).save_error(details)
        record = replace(
            job.record,
            status="failed",
            history=job.history,
            ended_at=now(),
            error=reason,
            machine_fault=machine_fault,
        )
        self._put(record)
        self._study.run.trial(record.trial_id).remove_state()
        self._end(record)

    def _end(self, record: TrialRecord) -> None:
        if not record.is_final:  # of which the oracle knows nothing
            self._proposals.end(record)
        self._ended(record)

    def _put(self, record: TrialRecord) -> None:
        self._study.put(record)
        self._proposals.save()

    def after_death(self, job: Job, *, lost: bool) -> None:
        """Retries a trial whose worker died, or fails it after too many deaths or a timeout.

        Args:
            job: the trial.
            lost: whether the whole machine was lost.
        """
        if job.timed_out:
            limit = self._study.settings.trial_timeout
            reason = f"it took longer than the trial timeout of {limit:g} s"
            self.fail(job, reason, reason + "\n")
            return
        kills = killed_for_memory()
        memory, self._memory_kills = kills > self._memory_kills, kills
        job.deaths, job.losses = job.deaths + (not lost), job.losses + lost
        epoch = job.done_epochs + 1
        if job.deaths > MOST_DEATHS or job.losses > MOST_LOSSES:
            reason = (
                f"its worker process was killed {job.deaths} times"
                + (", last by the system for lack of memory" if memory else "")
                + (f" and its machine lost {job.losses} times" if job.losses else "")
                + f", last in epoch {epoch}"
            )
            self.fail(job, reason, reason + "\n")
            return
        self._study.warn(
            f"the {'machine' if lost else 'worker'} of trial {job.record.trial_id} "
            f"{'was lost' if lost else 'died'} in epoch {epoch}"
            + (", when the system ran out of memory: --workers N takes less" if memory else "")
            + "; the trial resumes from its last epoch"
        )
        job.record = replace(job.record, attempts=job.record.attempts + 1)
        self._put(job.record)
        self._agenda.waiting.appendleft(job)

    def halve_batches(self, job: Job) -> None:
        """Restarts a trial that ran out of memory, with half the batch size."""
        record = job.record
        half = record.batch_size // 2
        note = f"out of memory with batches of {record.batch_size} rows, retried with {half}"
        self._study.warn(f"trial {record.trial_id}: {note}")
        notes = (*record.notes, note)
        record = replace(record, batch_size=half, attempts=record.attempts + 1, notes=notes)
        job.restart(record)
        self._study.run.trial(record.trial_id).remove_state()
        self._put(record)
