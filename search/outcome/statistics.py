"""How sure a number is."""

import math

Z_95 = 1.959963984540054  # standard normal quantile of 0.975


def wilson_interval(successes: float, rows: int) -> tuple[float, float]:
    """The 95% confidence interval of a share (Wilson 1927).

    Args:
        successes: how many of the rows; between 0 and `rows`.
        rows: at least 1.

    Returns:
        (low, high), within [0, 1].
    """
    share = successes / rows
    shrink = 1 + Z_95**2 / rows
    centre = (share + Z_95**2 / (2 * rows)) / shrink
    half = Z_95 / shrink * math.sqrt(share * (1 - share) / rows + Z_95**2 / (4 * rows**2))
    return max(0.0, centre - half), min(1.0, centre + half)
