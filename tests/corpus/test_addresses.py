"""Data at an address, from a server of this machine."""

import functools
import http.server
import threading

import pytest

from search.corpus.sources import read
from search.errors import DataError
from tests.conftest import SAMPLE


@pytest.fixture
def server():
    handler = functools.partial(_Quiet, directory=str(SAMPLE.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *message):
        """Says nothing."""


def test_a_file_at_an_address_is_that_file(server):
    for question in ("", "?download=1"):
        table = read(f"{server}/{SAMPLE.name}{question}")
        assert table.equals(read(str(SAMPLE)))


def test_what_is_not_there(server):
    with pytest.raises(DataError, match=r"/no.csv: (there is no such file|cannot be fetched)"):
        read(f"{server}/no.csv")
    with pytest.raises(DataError, match=r"README.md: expected a file ending in \.csv"):
        read(f"{server}/README.md")
    with pytest.raises(DataError, match=r"gopher://x/y.csv: expected a path, or an address"):
        read("gopher://x/y.csv")
