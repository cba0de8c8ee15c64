"""What is left behind: the leaderboard, the exported model, and what is known of it."""
