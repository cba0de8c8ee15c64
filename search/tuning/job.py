"""A trial or final while it is trained, and how it is saved and resumed."""

from dataclasses import dataclass, replace

from search.tuning.early_stopping import finished
from search.tuning.engine import Probabilities, in_order
from search.tuning.quarantine import Arrays
from search.tuning.records import Epoch, TrialRecord, trial_of
from search.tuning.study import Study
from search.tuning.training import TrainResult
from search.tuning.trialdir import Weights


@dataclass
class Job:
    """A trial or final in training.

    Attributes:
        record: its record, without the epochs.
        last_epoch: the maximum number of epochs.
        history: the epochs so far.
        first_epoch: number of epochs of the trial that it continues, with hyperband; otherwise 0.
        state: checkpoint after the last epoch; None before the first.
        best: weights of the best epoch.
        predicted: probabilities of the judged rows (see `Study`) with these weights.
        deaths: how many workers died while they trained it.
        losses: how many machines were lost while they trained it.
        submitted_at: when the epoch in flight was started, by the monotonic clock.
        timed_out: whether that epoch was killed because the trial took too long.
    """

    record: TrialRecord
    last_epoch: int
    history: tuple[Epoch, ...] = ()
    first_epoch: int = 0
    state: Arrays | None = None
    best: Weights | None = None
    predicted: Probabilities | None = None
    deaths: int = 0
    losses: int = 0
    submitted_at: float = 0.0
    timed_out: bool = False

    @property
    def done_epochs(self) -> int:
        return self.history[-1].epoch if self.history else self.first_epoch

    def is_over(self, patience: int) -> bool:
        """Whether it has reached its last epoch, or has run out of patience."""
        if self.record.is_final:  # which stops where its trial was best
            return self.done_epochs >= self.last_epoch
        return finished(self.history, self.last_epoch, patience)

    @property
    def so_far(self) -> TrialRecord:
        """Its record with the epochs so far."""
        return replace(self.record, history=self.history)

    def advance(self, result: TrainResult) -> None:
        """Adds an epoch that a worker trained."""
        self.history += result.epochs
        self.state = result.state
        self.record = replace(self.record, parameters=result.parameters)
        if self.so_far.best == self.history[-1]:
            self.best = in_order(result.state, "weights")
            self.predicted = result.probabilities

    def restart(self, record: TrialRecord) -> None:
        """Restarts it from the first epoch, with another record."""
        self.record = record
        self.history, self.state, self.best, self.predicted = (), None, None, None


def job_of(record: TrialRecord, study: Study) -> Job:
    """Returns the job of a trial or final, resumed from its checkpoint if there is one."""
    if record.is_final:
        best = study.records[trial_of(record.trial_id)].best
        assert best is not None
        job = Job(record, best.epoch)
    else:
        job = Job(record, int(record.values.get("tuner/epochs", study.settings.max_epochs)))
    saved = study.run.trial(record.trial_id).load_state()
    if saved is not None:
        job.history, job.state = saved
        job.predicted = job.state.pop("predicted")
        kept = {k: v for k, v in job.state.items() if k.startswith("best/")}
        for name in kept:
            del job.state[name]
        job.best = in_order(kept or job.state, "best" if kept else "weights")
    elif not record.is_final and (parent := record.values.get("tuner/trial_id")):
        inherited = study.run.trial(str(parent)).load_state()
        if inherited is not None:
            history, job.state = inherited
            job.state = {
                k: v for k, v in job.state.items() if not k.startswith(("best/", "predicted"))
            }
            job.first_epoch = history[-1].epoch
    return job


def save_job(job: Job, study: Study) -> None:
    """Writes the checkpoint that `job_of` resumes from."""
    assert job.state is not None and job.best is not None and job.predicted is not None
    state = {**job.state, "predicted": job.predicted}
    if job.so_far.best != job.history[-1]:
        state.update({f"best/{n:04d}": array for n, array in enumerate(job.best)})
    study.run.trial(job.record.trial_id).save_state(job.history, state)
