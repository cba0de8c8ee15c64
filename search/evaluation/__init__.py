"""How good something is: statistics, baselines, calibration, the leaderboard."""
