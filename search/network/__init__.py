"""What is searched: the search space, and the Keras network that a configuration describes."""
