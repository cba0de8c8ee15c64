"""What is left behind: the leaderboard, the exported model, and what is known of it."""

from search.outcome.leaderboard import leaderboard, read_leaderboard, write_leaderboard
from search.outcome.winner import Outcome, conclude

__all__ = ["Outcome", "conclude", "leaderboard", "read_leaderboard", "write_leaderboard"]
