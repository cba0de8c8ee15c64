"""The number of float32 values in a vector of the LSTM: as many as fit a register of this CPU.

No result depends on it: sums are added up in the same order with any width.
"""

import os

from numba.core.registry import cpu_target


def _wide() -> int:
    if forced := os.environ.get("BILSTM_VECTOR_LANES"):  # the tests try both
        return int(forced)
    features: str = cpu_target.target_context.codegen().magic_tuple()[2]
    return 16 if "+avx512f" in features.split(",") else 8


WIDE = _wide()
