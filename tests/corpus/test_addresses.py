"""Data at an address, from a server of this machine."""

import functools
import http.server
import threading
from importlib.util import find_spec

import pytest

from search.corpus.sources import read
from search.errors import DataError, SettingsError
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
    def do_GET(self):
        if "list-type=2" not in self.path:
            super().do_GET()
            return
        listed = b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(listed)))
        self.end_headers()
        self.wfile.write(listed)

    def translate_path(self, path):
        """The same files in a bucket, as S3 has them."""
        return super().translate_path(path.removeprefix("/bucket"))

    def log_message(self, *message):
        """Says nothing."""


def test_a_file_at_an_address_is_that_file(server):
    for question in ("", "?download=1"):
        table = read(f"{server}/{SAMPLE.name}{question}")
        assert table.equals(read(str(SAMPLE)))


def test_an_object_of_s3(server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert read(f"s3://bucket/{SAMPLE.name}").equals(read(str(SAMPLE)))
    with pytest.raises(DataError, match=r"s3://bucket/no.csv: there is no such file"):
        read("s3://bucket/no.csv")


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_what_no_extra_installs_is_named():
    with pytest.raises(SettingsError, match=r"gs:// needs gcsfs, .*: pip install gcsfs$"):
        read("gs://bucket/x.csv")


def test_what_is_not_there(server):
    with pytest.raises(DataError, match=r"/no.csv: (there is no such file|cannot be fetched)"):
        read(f"{server}/no.csv")
    with pytest.raises(DataError, match=r"README.md: expected a file ending in \.csv"):
        read(f"{server}/README.md")
    with pytest.raises(DataError, match=r"gopher://x/y.csv: expected a path, or an address"):
        read("gopher://x/y.csv")


def test_a_server_that_does_not_answer_is_not_a_missing_file(server):
    with pytest.raises(DataError, match=r"no.csv: there is no such file"):
        read(f"{server}/no.csv")
    with pytest.raises(DataError, match=r"r.csv: cannot be fetched: Cannot connect to host"):
        read("http://127.0.0.1:9/r.csv")
