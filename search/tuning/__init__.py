"""How the space is searched: oracles, the tuner, what a worker does, and the run directory.

Nothing is imported here: a worker process must set TensorFlow's threads before it is imported.
"""
