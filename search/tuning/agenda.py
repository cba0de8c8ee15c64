"""What to train next: interrupted trials, then promoted ones, then new ones, then finals."""

from collections import deque
from dataclasses import replace

from search.errors import NothingUsable
from search.tuning import finals
from search.tuning.job import Job, job_of
from search.tuning.oracles import trial_seed
from search.tuning.proposals import Proposals
from search.tuning.records import TrialRecord, now, trial_of
from search.tuning.study import Study

ALIKE_FAILURES = 3  # of the first trials; after them a search is given up


class Agenda:
    """The queue of trials and finals to train.

    Args:
        study: the run.
        proposals: where new trials come from.

    Attributes:
        waiting: trials and finals that have begun, but are in no slot.
    """

    def __init__(self, study: Study, proposals: Proposals) -> None:
        self._study = study
        self._proposals = proposals
        self.waiting: deque[Job] = deque()

    def is_empty(self) -> bool:
        """Whether nothing is left to train."""
        study = self._study
        left = study.remaining_trials or study.unfinished() or study.rungs.promoted()
        return not (left or study.next_final())

    def take_up(self) -> None:
        """Queues the trials and finals that an earlier process left unfinished."""
        self.waiting = deque(self._begun(record) for record in self._study.unfinished())

    def next(self, running: list[Job]) -> Job | None:
        """Returns the next trial or final to train; None if there is none at present.

        Args:
            running: the jobs that are being trained.

        Raises:
            NothingUsable: the first trials all failed in the same way.
        """
        if self.waiting:
            return self.waiting.popleft()
        if (promoted := self._study.rungs.promoted()) is not None:
            return self._reopened(promoted)
        proposed = self._proposed(others_running=bool(running))
        # Which finals there should be is not known before every trial has ended.
        if proposed is None and all(job.record.is_final for job in running):
            return self._final()
        return proposed

    def _begun(self, record: TrialRecord) -> Job:
        self._study.trials_begun += 1
        return job_of(record, self._study)

    def _stored(self, record: TrialRecord) -> Job:
        """Writes a record, and returns its job."""
        self._study.put(record)
        self._proposals.save()
        return self._begun(record)

    def _reopened(self, record: TrialRecord) -> Job:
        """Resumes a pruned trial."""
        self._proposals.reopen(record)
        granted = len(record.history)
        return self._stored(
            replace(record, status="running", history=(), ended_at=None, granted=granted)
        )

    def _proposed(self, *, others_running: bool) -> Job | None:
        self._give_up_if_all_fail()
        if not self._study.remaining_trials:
            return None
        record = self._proposals.propose(others_running=others_running)
        return None if record is None else self._stored(record)

    def _final(self) -> Job | None:
        name = self._study.next_final()
        if name is None:
            return None
        seed = trial_seed(self._study.settings.seed, name)
        return self._stored(finals.begun(name, self._study.records[trial_of(name)], seed, now()))

    def _give_up_if_all_fail(self) -> None:
        ended = [r for r in self._study.records.values() if r.status != "running"]
        errors = {record.error for record in ended}
        if len(ended) >= ALIKE_FAILURES and len(errors) == 1 and None not in errors:
            raise NothingUsable(
                f"the first {len(ended)} trials all failed alike: {errors.pop()} (the whole "
                f"traceback: {self._study.run.trial(ended[0].trial_id).error_file})"
            ) from self._study.run.trial(ended[0].trial_id).failure()
