"""A model as files, and those files at work."""
