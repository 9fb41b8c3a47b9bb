"""`rotnet predict`: print the angle of each picture."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import (
    add_allowed_angles,
    add_command,
    add_pictures,
    add_shard,
    angle_range_of,
    path,
    standard_input,
)
from rotnet.cli.listing import add_format, print_listing
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.engines.batch import BatchPredictor
    from rotnet.files import FilePrediction


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "predict",
        run,
        "print the angle of each picture",
        "rotnet predict photos/ --format jsonl",
        "rotnet predict photos/ --shard 3/16 -o angles/",
        "rotnet predict photos/ --engine ray -o angles/",
        "rotnet predict 's3://photos/shards-*.tar' --engine ray -o angles/",
        usage="PATH [PATH ...] [options]",
    )
    add_format(parser)
    add_allowed_angles(add_pictures(parser))
    table = parser.add_argument_group(
        "a table on disk, for many pictures and many machines",
        "PATH may then be a list as well (list.txt, or list.parquet with the column path), a tar file of pictures, a "
        "pattern of names in quotes ('shards-*.tar'), or any of these in a cloud (s3://, gs://)",
    )
    table.add_argument("-o", "--output", type=path, metavar="OUT", help="folder of Parquet tables, one a shard")
    add_shard(table)
    table.add_argument(
        "--engine",
        choices=("ray",),
        help="do all shards that are missing on this machine or, with --address, a cluster",
    )
    table.add_argument("--address", metavar="A", help="address of a Ray cluster; auto finds the one that runs here")
    table.add_argument("--retry-failed", action="store_true", help="look anew at what failed in shards that are done")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    if options.output is not None:
        return _run_shard(options)
    if options.shard or options.retry_failed or options.engine or options.address is not None:
        names = "--shard, --engine, --address and --retry-failed"
        raise UsageError(f"{names} are for tables on disk: say where they go, with -o OUT.")
    from rotnet.files import predict_files

    results = predict_files(
        options.paths,
        model=options.model,
        **_asked(options),
        contents=standard_input(options.paths),
    )
    found = failed = 0

    def counted() -> Iterator[FilePrediction]:
        nonlocal found, failed
        for result in results:
            found += 1
            failed += result.error is not None
            yield result

    print_listing(
        counted(),
        options.format,
        columns=("path", "angle", "confidence", "action", "reason", "error"),
        header=f"{'angle':>8} {'confidence':>10} {'action':<11}",
        line=_row,
    )
    if not found:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    return 1 if failed else 0


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What is asked of the model, and which pictures it takes, for files and tables alike."""
    from rotnet.images.reading import MAX_PIXELS

    return {
        "turns": options.turns,
        "angle_range": angle_range_of(options),
        "right_angles": options.right_angles,
        "refine": "lines" if options.refine == "lines" else None,
        "max_pixels": options.max_pixels or MAX_PIXELS,
        "strict": not options.lenient,
    }


def _run_shard(options: argparse.Namespace) -> int:
    if options.output.lower().endswith((".csv", ".json", ".jsonl")):
        format = "csv" if options.output.lower().endswith(".csv") else "jsonl"
        raise UsageError(
            f"-o is a folder of Parquet tables: leave it out, and say --format {format} > {options.output}"
        )
    if "-" in options.paths:
        raise UsageError("- is one picture from standard input: leave out -o, which is for tables of many.")
    if options.address is not None and not options.engine:
        raise UsageError("--address is that of a Ray cluster: say --engine ray as well.")
    if options.engine and options.shard:
        raise UsageError("--engine does all shards that are missing: leave out --shard.")
    if options.format != "table":
        raise UsageError("-o writes Parquet tables and prints no rows: leave out --format.")
    from rotnet.engines.batch import BatchPredictor
    from rotnet.engines.shards import Job, Shard, job_of, options_of, predict_shard, retry_shard, shard_paths

    predict = BatchPredictor(
        options.model,
        **_asked(options),
    )
    if options.engine:
        return _run_ray(options, predict)
    shard = Shard(*(options.shard or (1, 1)))
    job = Job.begin(options.output, job_of("predict", options.paths, options.model, **options_of(predict)), shard.of)
    table = job.table(shard)
    is_done = job.is_done(shard)
    if is_done and not options.retry_failed:
        print(f"shard {shard} is done already: {table}")
        return 0
    counts = (
        retry_shard(job, shard, predict)
        if is_done
        else predict_shard(job, shard, shard_paths(options.paths, shard), predict)
    )
    print(f"shard {shard}: {_told(counts)} in {table}")
    return 0


def _run_ray(options: argparse.Namespace, predict: BatchPredictor) -> int:
    from rotnet.engines.ray import predict_on_ray, shards_for
    from rotnet.engines.shards import Job, job_of, options_of

    asked = job_of("predict", options.paths, options.model, **options_of(predict))
    job = Job.begin(options.output, asked, shards_for(options.output, options.paths))
    counts = predict_on_ray(
        job,
        options.paths,
        predict,
        address=options.address,
        retry_failed=options.retry_failed,
        told=lambda shard, done: print(f"shard {shard}: {_told(done)}", flush=True),
    )
    print(f"{_told(counts)} in {options.output}")
    return 0


def _told(counts: Counter[str]) -> str:
    told = ", ".join(f"{number} {action}" for action, number in sorted(counts.items()) if number)
    return f"{counts.total()} pictures ({told or 'none'})"


def _row(result: FilePrediction) -> str:
    from rotnet.geometry.angles import shown_angle

    return f"{shown_angle(result.angle or 0.0):>8} {result.confidence:>10.2f} {result.action:<11}"
