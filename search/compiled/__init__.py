"""The network of `search.network.build` as compiled code, held against it."""
