"""The precision of networks that are built here, whatever the user's process prefers."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

SINGLE = "float32"


@contextmanager
def single_precision() -> Iterator[None]:
    """Has layers that are made in this block compute in float32, as those of the workers do.

    A global policy such as mixed_float16, or another `floatx`, would make the exported model differ
    from the one that was trained and scored. Afterwards both are as they were.
    """
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx(SINGLE)
    keras.config.set_dtype_policy(SINGLE)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
