"""The embedding: tokens looked up, and their gradients; both with spatial dropout."""

from search.compiled.vectors import LANES, compiled, load, store


@compiled
def look_up(
    table,  # (vocabulary, width), flat
    width,
    ids,  # (batch, time)
    lengths,  # (batch,)
    scale,  # (batch, width), flat: the spatial dropout
    x,  # (batch, time, width), flat: the result; its padding is not written
):
    """Looks embeddings up, and applies spatial dropout."""
    batch, time = ids.shape
    for r in range(batch):
        for t in range(lengths[r]):
            source, target = ids[r, t] * width, (r * time + t) * width
            k = 0
            while k + LANES <= width:
                store(x, target + k, load(table, source + k) * load(scale, r * width + k))
                k += LANES
            while k < width:
                x[target + k] = table[source + k] * scale[r * width + k]
                k += 1


@compiled
def token_gradients(
    first,  # (batch, time, width), flat: the gradient of x by the forward direction
    second,  # (batch, time, width), flat: by the backward direction
    width,
    ids,  # (batch, time)
    lengths,  # (batch,)
    scale,  # (batch, width), flat: the spatial dropout
    tokens,  # (tokens,): the result: the ids of the batch without its padding
    rows,  # (tokens, width), flat: the result: a gradient for each of them
):
    """Computes the gradient of the embedding, sparse: a row for each token of the batch."""
    batch, time = ids.shape
    n = 0
    for r in range(batch):
        for t in range(lengths[r]):
            tokens[n] = ids[r, t]
            source, target = (r * time + t) * width, n * width
            k = 0
            while k + LANES <= width:
                total = load(first, source + k) + load(second, source + k)
                store(rows, target + k, total * load(scale, r * width + k))
                k += LANES
            while k < width:
                rows[target + k] = first[source + k] + second[source + k]
                rows[target + k] *= scale[r * width + k]
                k += 1
            n += 1
