"""The connection to a Ray cluster.

Ray is imported only when a cluster is asked for.
"""

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import search
from search.errors import ClusterError, SettingsError, one_line
from search.startup import check_modules
from search.tuning.worker import environment

REACH_SECONDS = 10.0  # in which an address must answer
LONGEST = 300  # characters of an error of Ray's that are shown
ADDRESS = re.compile(r"auto|(ray://)?(\[[^\]]+\]|[^\s:/]+):(\d{1,5})")


@contextlib.contextmanager
def connected(address: str, threads: int, warn: Callable[[str], None]) -> Iterator[None]:
    """Connects to a cluster for a block.

    Args:
        address: auto, HOST:PORT or ray://HOST:PORT.
        threads: number of threads per trial.
        warn: called with a sentence if the cluster is open to everybody.

    Raises:
        SettingsError: the address is invalid, or Ray is not installed.
        ClusterError: the cluster cannot be reached or used.
    """
    check_modules("--cluster", ("ray",), "cluster")
    matched = ADDRESS.fullmatch(address)
    if matched is None:
        raise SettingsError(f"--cluster {address}: expected auto, HOST:PORT or ray://HOST:PORT")
    if address == "auto":
        matched = ADDRESS.fullmatch(_latest()) or matched
    if matched[3] is not None:
        _reach(matched[2].strip("[]"), int(matched[3]))
    ray = _connect(address, threads)
    if _open_to_all():
        warn(
            "the cluster has no authentication: whoever reaches its ports can run code on it "
            "(docs/clusters.md, “Security”)"
        )
    try:
        yield
    finally:
        ray.shutdown()


def _latest() -> str:
    """The address that Ray uses for "auto": from the environment, or of the last local cluster."""
    from ray._private.services import get_ray_address_from_environment

    try:
        return str(get_ray_address_from_environment("auto", None))
    except ConnectionError:  # there is none, which `ray.init` says
        return "auto"


def _reach(host: str, port: int) -> None:
    """Checks that the address answers; Ray itself would try for minutes."""
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"--cluster {host}:{port}: nobody answers there ({error.strerror or error}); is the "
            "cluster started, and its port open to this machine?"
        ) from error


def _connect(address: str, threads: int) -> Any:
    """Connects Ray to a cluster, and sends the code of this package to every node."""
    import logging

    import ray
    from ray import _private

    # It prints dying processes to stdout; the tuner reports them.
    _private.worker._worker_logs_enabled = False
    package = str(Path(search.__file__).parent)
    try:
        ray.init(
            address,
            runtime_env={"py_modules": [package], "env_vars": environment(threads)},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises whatever its parts raise
        hint = "`ray start --head` starts one"
        if address != "auto":
            hint = "the token of both sides must be the same (docs/clusters.md, “Security”)"
        raise ClusterError(
            f"--cluster {address}: cannot be used: {one_line(error, LONGEST)}; {hint}"
        ) from error
    return ray


def _open_to_all() -> bool:
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    return not is_token_auth_enabled()
