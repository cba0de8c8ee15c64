"""What is searched: the space, the network it describes, and the fast layers that train it."""
