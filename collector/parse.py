"""Parses the batches of a stream's entries into lines. Pure.

Nothing is dropped: text that is not a line of this run is kept, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from collector.schema import LINE_SCHEMA, PART_SCHEMA
from poolbench.records import FORMAT, LINE_MAX_BYTES, Moment

#: First bytes of JSON objects. Other content is not passed to the parser, which would unpack any
#: content that begins like a compressed file.
_BEGINNINGS = (b"{", b" ", b"\t", b"\r", b"\n")

#: The moments of a job. `Moment.ALIVE` is not a line of a run; it becomes a key.
_MOMENTS = tuple(moment.value for moment in Moment if moment is not Moment.ALIVE)


def parse_lines(batches: Sequence[bytes], *, run: str) -> pl.DataFrame:
    """Return one row (`PART_SCHEMA`) for each line of the batches, in order.

    A valid line is a JSON object of `LINE_SCHEMA`, of this format and this run, with a known
    moment, a nonce and a time. A line without a run counts as one of this run.
    """
    content = b"\n".join(batches)
    frame = _parse(content, schema=LINE_SCHEMA)
    if frame is not None:
        frame = _judge(frame, run=run)
        if frame["reason"].null_count() == frame.height:
            return frame
    texts = [text for text in content.split(b"\n") if text.strip()]
    rows = (
        reject(piece[0], reason="no JSON object of a line's types")
        if parsed is None
        else _keep_texts(_judge(parsed, run=run), texts=piece)
        for piece, parsed in parse_pieces(texts, schema=LINE_SCHEMA)
    )
    return pl.concat([PART_SCHEMA.to_frame(), *rows])


def parse_pieces(
    texts: Sequence[bytes], *, schema: pl.Schema
) -> Iterator[tuple[Sequence[bytes], pl.DataFrame | None]]:
    """Yield the texts in pieces, in order, each with its rows; a garbled text is alone, with None.

    The parser reports neither which line is wrong nor which lines it skips, so the texts are halved
    until each wrong line is isolated.
    """
    frame = _parse(b"\n".join(texts), schema=schema)
    is_whole = frame is not None and frame.height == len(texts)
    if is_whole or len(texts) == 1:
        yield texts, frame if is_whole else None
        return
    middle = len(texts) // 2
    yield from parse_pieces(texts[:middle], schema=schema)
    yield from parse_pieces(texts[middle:], schema=schema)


def reject(text: bytes, *, reason: str) -> pl.DataFrame:
    """Return one row with a text that is not a valid line."""
    kept = text[:LINE_MAX_BYTES].decode("utf-8", "backslashreplace")
    return (
        PART_SCHEMA.to_frame()
        .clear(1)
        .with_columns(rejected=pl.lit(kept, pl.String), reason=pl.lit(reason, pl.String))
    )


def _parse(content: bytes, *, schema: pl.Schema) -> pl.DataFrame | None:
    """Return the lines in a content, or None if any of them is garbled."""
    if not content:
        return schema.to_frame()
    if content[:1] not in _BEGINNINGS:
        return None
    try:
        return pl.read_ndjson(content, schema=schema)
    except pl.exceptions.PolarsError:
        return None


def _judge(frame: pl.DataFrame, *, run: str) -> pl.DataFrame:
    """Return the frame with the reason why a line is rejected, null for a valid one."""
    faults = {
        f"not of format {FORMAT}": pl.col("v").ne_missing(FORMAT),
        "unknown moment": ~pl.col("m").is_in(_MOMENTS).fill_null(value=False),
        "no nonce": pl.col("nonce").fill_null("") == "",
        "no time": pl.col("t_ns").is_null(),
        "of another run": pl.col("run").fill_null(run) != run,
    }
    reason = pl.coalesce(pl.when(is_fault).then(pl.lit(text)) for text, is_fault in faults.items())
    return frame.with_columns(rejected=pl.lit(None, pl.String), reason=reason)


def _keep_texts(frame: pl.DataFrame, *, texts: Sequence[bytes]) -> pl.DataFrame:
    """Return the frame with the rejected lines' values removed and their text kept."""
    raw = pl.Series([text[:LINE_MAX_BYTES].decode("utf-8", "backslashreplace") for text in texts])
    is_bad = pl.col("reason").is_not_null()
    return frame.with_columns(
        *(pl.when(~is_bad).then(pl.col(name)).alias(name) for name in LINE_SCHEMA.names()),
        rejected=pl.when(is_bad).then(raw),
    )
