"""The search in a real pseudo-terminal, its output interpreted as a terminal does."""

import os
import re
import signal
import sys

import pexpect
import psutil
import pyte
import pytest

from tests.conftest import ROOT, SAMPLE, hang_up_ends, run_here

SEARCH = ("--data", str(SAMPLE), "--trials", "5", "--max-epochs", "2", "--workers", "2")
FINALS = ("--finals", "1", "--folds", "2")


class Terminal(pyte.HistoryScreen):
    """A terminal that counts the lines that were too long for it."""

    def __init__(self, columns, rows):
        super().__init__(columns, rows, history=5000)
        self.wrapped = 0

    def draw(self, data):
        for character in data:
            self.wrapped += self.cursor.x == self.columns
            super().draw(character)

    @property
    def shown(self):
        """Everything that was ever on it and is still there to be scrolled to."""
        past = ("".join(row[x].data for x in range(self.columns)) for row in self.history.top)
        return [line.rstrip() for line in (*past, *self.display)]


def started(results, size, *options, under=(), **environment):
    mine = ("TF_", "NO_COLOR", "COLUMNS", "LINES")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(mine)}
    command = [*under, sys.executable, "-m", "search.run", *SEARCH, *options]
    return pexpect.spawn(
        command[0],
        [*command[1:], "--results", results.name],
        cwd=str(results.parent),
        dimensions=size[::-1],
        env={**inherited, "TERM": "xterm-256color", **environment},
        encoding="utf-8",
        timeout=120,
        preexec_fn=hang_up_ends,
    )


def ended(child):
    """All that a process still prints, and its exit code (minus the signal, if one ended it)."""
    output = child.read()
    child.close()
    return output, child.exitstatus if child.signalstatus is None else -child.signalstatus


@pytest.mark.parametrize(
    ("size", "environment"),
    [((80, 24), {}), pytest.param((200, 50), {"NO_COLOR": "1"}, marks=pytest.mark.slow)],
    ids=["80x24", "200x50 without colours"],
)
def test_one_table_in_place(tmp_path, size, environment):
    terminal = Terminal(*size)
    options = (*FINALS, "--set", "ngrams=none")
    output, code = ended(started(tmp_path / "r", size, *options, **environment))
    assert code == 0, output
    pyte.Stream(terminal).feed(output)
    assert terminal.wrapped == 0
    lines = terminal.shown
    (head,) = (n for n, line in enumerate(lines) if re.match("rank +trial +accuracy", line))
    assert [line[0] for line in lines[head + 2 : head + 7]] == list("12345"), "one picture remains"
    assert lines[head + 8].startswith("5 of 5 trials: ")
    assert "; 2 of 2 finals; " in lines[head + 8]
    assert re.match(r"best so far: trial \d{4}, 0\.\d{4} \(95% interval", lines[head + 9])
    assert "report: r/report.html" in lines[head + 10 :]
    hidden, shown = output.count("\x1b[?25l"), output.count("\x1b[?25h")
    assert hidden == shown >= 1, "the cursor is back"
    assert not (environment and re.search(r"\x1b\[(\d+;)*(3|4|9)\d", output))
    # While it went on: what each of the two workers trained.
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", output)
    assert re.search(r"worker +trains +epoch", plain)
    assert re.search(r"\n2 +000\d", plain)


BARS = """
from search.progress import Progress
from search.view import LiveTable

view = LiveTable()
view.progress("reading reviews.csv")
Progress(view.progress, "soon over", 10, "texts")(5)
view.progress.seconds = 0
told = Progress(view.progress, "encoding", 2_000, "texts")
for done in (0, 500, 1_000):
    told(done)
input()
view.progress("2,000 texts encoded")
told(1_500)
view.close()
"""


def test_a_bar_for_what_takes_long(tmp_path):
    child = pexpect.spawn(
        *(sys.executable, ["-c", BARS]), dimensions=(24, 80), encoding="utf-8", timeout=120,
        cwd=str(ROOT), env={**os.environ, "TERM": "xterm-256color"}, echo=False,
    )  # fmt: skip
    screen = Terminal(80, 24)
    stream = pyte.Stream(screen)
    child.expect(r"1000/2000.*\d:\d\d:\d\d")
    stream.feed(child.before + child.after)
    lines = [line for line in screen.shown if line]
    assert lines[0] == "reading reviews.csv" and len(lines) == 2
    assert re.fullmatch(r"encoding ━+.*1000/2000 \d:\d\d:\d\d", lines[1])
    child.sendline()
    output, code = ended(child)
    stream.feed(output)
    assert code == 0
    lines = [line for line in screen.shown if line]
    assert lines == ["reading reviews.csv", "2,000 texts encoded"], "the bars are gone"


@pytest.mark.slow  # its fast half is in tests/test_view.py
def test_a_terminal_that_can_do_nothing(tmp_path):
    output, code = ended(started(tmp_path / "r", (80, 24), "--finals", "0", TERM="dumb"))
    assert code == 0 and "\x1b" not in output
    assert output.count("\n[") >= 5, "a line a trial"


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path):
    child = started(tmp_path / "r", (80, 24), "--trials", "500")
    child.expect("of 500 trials")
    child.sendintr()
    output, code = ended(child)
    assert code == 128 + signal.SIGINT, output
    assert "The same command continues" in " ".join(output.split())
    assert "\x1b[?25h" in output and "Traceback" not in output


@pytest.mark.slow  # the fast one of its kind is test_asked_to_stop
def test_a_terminal_that_is_closed_ends_the_search_as_ctrl_c_does(tmp_path):
    child = started(tmp_path / "r", (80, 24), "--trials", "500")
    child.expect("of 500 trials")
    workers = psutil.Process(child.pid).children(recursive=True)
    child.ptyproc.fileobj.close()
    child.wait()
    assert child.exitstatus == 128 + signal.SIGHUP
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.slow
def test_nohup_outlives_its_terminal(tmp_path):
    """Also where nothing was redirected: what cannot be shown is lost, and nothing else."""
    results = tmp_path / "r"
    child = started(
        results, (80, 24), "--finals", "0", under=("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    )
    child.expect("of 5 trials")
    child.ptyproc.fileobj.close()
    child.wait()
    assert (results / "best_model.keras").is_file()


def test_the_first_line_comes_at_once(tmp_path):
    child = started(tmp_path / "r", (80, 24))
    child.expect("reading")
    used = psutil.Process(child.pid).cpu_times()
    child.close(force=True)
    assert used.user + used.system < 1


def test_the_data_cannot_reach_the_terminal(tmp_path):
    """Escape sequences in a file's name, in labels and in texts."""
    title = "\x1b]0;stolen\x07\x1b[2J"
    path = tmp_path / f"my{title}.csv"
    rows = [f"{title} film number {n} {n * n},{title}{n % 2}" for n in range(60)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    for options in ((), ("--data", f"{path}.none")):
        done = run_here(
            *("search.run", "--data", path, "--audit-only", "--results", tmp_path / "r"), *options
        )
        printed = done.stdout + done.stderr
        assert "�]0;stolen��[2J" in printed
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", printed)
