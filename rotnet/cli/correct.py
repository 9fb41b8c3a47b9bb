"""`rotnet correct`: turn pictures upright, as copies or in their place."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import (
    LENIENT_TURNS,
    add_allowed_angles,
    add_command,
    add_pictures,
    add_shard,
    complain,
    on_one_line,
    path,
)
from rotnet.cli.progress import add_progress, check_replaceable, follow, open_report, shown_plan, shown_unsure
from rotnet.cli.turning import add_turning, asked_of, turning_of
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.engines.shards import Job, Shard
    from rotnet.files import Journal, Turning
    from rotnet.files.plan import Targets
    from rotnet.inference.options import Options
    from rotnet.inference.predictor import Predictor

NOT_FOR_STREAMS = (
    "in_place",
    "backup",
    "overwrite",
    "dry_run",
    "preview",
    "report",
    "list_unsure",
    "resume",
    "journal",
    "shard",
    "sidecar",
)


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "correct",
        run,
        "turn pictures upright, as copies or in their place",
        "rotnet correct photos/ -o straight/",
        "rotnet correct photos/ -o straight/ --preview sheet.html --report report.jsonl",
        "rotnet correct photos/ --in-place --backup .orig",
        "rotnet correct photos/ -o straight/ --shard 3/16 --report tables/",
        "rotnet correct photos/ -o straight/ --shard 3/16 --dry-run --report plans/",
        "rotnet correct - < crooked.jpg > upright.jpg",
        usage="PATH [PATH ...] (-o OUT | --in-place) [options]",
    )
    _add_where(parser)
    _add_look_first(parser)
    add_turning(parser)
    add_allowed_angles(add_pictures(parser, lenient=LENIENT_TURNS))
    add_progress(parser, journal="in ~/.local/state, with --shard beside the table")
    add_shard(parser.add_argument_group("one of many machines; --report then names a folder of Parquet tables"))


def _add_where(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where the results go")
    where.add_argument("-o", "--output", type=path, metavar="OUT", help="folder of the results; - is standard output")
    where.add_argument("--in-place", action="store_true", help="put each turned picture in the place of its original")
    where.add_argument("--backup", metavar="SUFFIX", help="in place: keep the originals, SUFFIX appended")
    where.add_argument("--overwrite", action="store_true", help="replace files that are in OUT already")


def _add_look_first(parser: argparse.ArgumentParser) -> None:
    first = parser.add_argument_group("look first")
    first.add_argument("--dry-run", action="store_true", help="print what would be done, and write no picture")
    first.add_argument(
        "--preview",
        type=path,
        metavar="FILE",
        help="write no picture but a page to review in the browser; `rotnet apply` does what you decide there",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    _check(options)
    how = turning_of(options, backup=options.backup)
    if _streams(options):
        return _run_stream(options, how)
    others = _others(options.paths, raw=options.sidecar)  # before there are backups
    if options.shard:
        return _run_shard(options, how)
    status = (_run_plan if options.dry_run or options.preview else _run_files)(options, how)
    if others:
        complain(f"skipped, {others}")
    return status


def _run_files(options: argparse.Namespace, how: Turning) -> int:
    from rotnet.files import Journal, correct_targets
    from rotnet.files.outcomes import finished_of
    from rotnet.files.report import row_of
    from rotnet.inference.predictor import as_predictor

    predictor = as_predictor(options.model)
    asked = asked_of(options)
    predictor.check(asked)  # before an earlier run is forgotten
    settings = _settings(options, asked, how)
    again = None if options.overwrite else settings
    with Journal(_journal_place(options), resume=options.resume, again=again, within=_within(options)) as journal:
        # in place, a picture that changed since is looked at anew and may have a backup
        finished = journal.outcomes.keys() | journal.touched if options.in_place else journal.touched
        targets = _plan(options, finished, interrupted=journal.is_resumable)
        # before the report of an earlier run is emptied
        journal.begin(settings, forget=not options.in_place)
        with open_report(options.report, targets) as report:
            results = correct_targets(
                targets, predictor, asked, how, journal=journal, jobs=options.jobs, overwrite=options.overwrite
            )
            with closing(results):
                status = follow(
                    results,
                    len(targets),
                    write=lambda result: report(row_of(result)),
                    show=shown_unsure if options.list_unsure else None,
                    done=finished_of(targets, journal) if journal.goes_on else 0,
                    cuts=not how.sidecar,
                    advises_level=options.level is None,
                )
    if status:
        _tell_missing(options, targets)
    return status


def _tell_missing(options: argparse.Namespace, targets: Targets) -> None:
    """Say that the folder of the results is not a copy of everything, where pictures have failed."""
    missing = sum(not os.path.lexists(target) for target in targets.values())
    if missing and not options.in_place:
        are = "that failed is" if missing == 1 else "that failed are"
        print(f"{missing} {are} not in {on_one_line(options.output)}", file=sys.stderr)


def _within(options: argparse.Namespace) -> list[str]:
    """The folders that a run writes below, and in which alone its journal may name temporary files."""
    if options.output:
        return [options.output]
    return [one if os.path.isdir(one) else os.path.dirname(one) or "." for one in options.paths]


def _journal_place(options: argparse.Namespace) -> Path:
    from rotnet.files import journal_path

    output = os.path.realpath(options.output) if options.output else "in place"
    return Path(options.journal or journal_path(output, *map(os.path.realpath, options.paths)))


def _settings(options: argparse.Namespace, asked: Options, how: Turning) -> dict[str, Any]:
    """What must be the same when a run is taken up again; another model may have the same name."""
    from rotnet.inference.presets import find, sha256

    return {"model": options.model, "weights": sha256(find(options.model))[:12], **vars(asked), **vars(how)}


def _run_shard(options: argparse.Namespace, how: Turning) -> int:
    from rotnet.engines.shards import Job, Shard, job_of, write_shard
    from rotnet.inference.predictor import as_predictor

    predictor = as_predictor(options.model)
    asked = asked_of(options)
    predictor.check(asked)
    shard = Shard(*options.shard)
    task = "plan" if options.dry_run else "correct"
    asked_for = {**vars(asked), **vars(how), "output": options.output}
    job = Job.begin(options.report, job_of(task, options.paths, options.model, **asked_for), shard.of)
    if job.is_done(shard):
        print(f"shard {shard} is done already: {job.table(shard)}")
    else:
        rows = (_planned_rows if options.dry_run else _corrected_rows)(options, how, predictor, asked, job, shard)
        write_shard(job, shard, rows)
    return 0


def _corrected_rows(
    options: argparse.Namespace, how: Turning, predictor: Predictor, asked: Options, job: Job, shard: Shard
) -> list[dict[str, Any]]:
    from rotnet.engines.tables import path_columns
    from rotnet.files import Journal, correct_targets

    rows: list[dict[str, Any]] = []
    # a run that was killed is taken up where it stopped, whichever machine comes next
    place = options.journal or job.table(shard).with_suffix(".journal")
    with Journal(place, resume=True, within=_within(options)) as journal:
        targets = _plan(options, journal.touched, shard.has)
        journal.begin({"fingerprint": job.manifest["fingerprint"]})
        results = correct_targets(
            targets, predictor, asked, how, journal=journal, jobs=options.jobs, overwrite=options.overwrite
        )
        with closing(results):
            follow(
                results,
                len(targets),
                write=lambda result: rows.append({**result.as_dict(), **path_columns(result.path)}),
                show=shown_unsure if options.list_unsure else None,
                cuts=not how.sidecar,
                advises_level=options.level is None,
            )
    return rows


def _planned_rows(
    options: argparse.Namespace, how: Turning, predictor: Predictor, asked: Options, job: Job, shard: Shard
) -> list[dict[str, Any]]:
    from rotnet.engines.plans import plan_row
    from rotnet.files import decide_files, with_digests

    rows: list[dict[str, Any]] = []
    targets = _plan(options, part=shard.has)
    decisions = decide_files(targets, predictor, asked, how, jobs=options.jobs)
    with closing(with_digests(decisions, how, jobs=options.jobs)) as signed:
        follow(
            signed,
            len(targets),
            write=lambda decision: rows.append(plan_row(decision)),
            show=shown_unsure if options.list_unsure else None,
            planned=True,
            cuts=not how.sidecar,
            advises_level=options.level is None,
        )
    return rows


def _run_plan(options: argparse.Namespace, how: Turning) -> int:
    from rotnet.files import decide_files, with_digests
    from rotnet.files.outcomes import recorded
    from rotnet.files.preview import write_preview
    from rotnet.files.report import row_of
    from rotnet.inference.predictor import as_predictor

    predictor = as_predictor(options.model)
    asked = asked_of(options)
    predictor.check(asked)
    settings = _settings(options, asked, how)
    run = _run_of(options, settings)
    with _earlier_run(options, settings) as journal:
        planned = _plan(options, journal.touched if journal else ())
        targets = {source: to for source, to in planned.items() if recorded(source, to, journal) is None}
    if len(targets) < len(planned):
        complain(f"{len(planned) - len(targets)} more were done by an earlier run, and are left out")
    if options.preview:
        check_replaceable(options.preview, "page", planned)
    with open_report(options.report, targets) as report:
        decisions = decide_files(targets, predictor, asked, how, jobs=options.jobs)
        decisions = with_digests(decisions, how, jobs=options.jobs)
        if options.preview:
            decisions = write_preview(decisions, options.preview, how, run=run, jobs=options.jobs)
        with closing(decisions):
            return follow(
                decisions,
                len(targets),
                write=lambda decision: report(row_of(decision, how, run=run)),
                show=shown_plan if options.dry_run else shown_unsure if options.list_unsure else None,
                planned=True,
                cuts=not how.sidecar,
                advises_level=options.level is None,
            )


def _run_of(options: argparse.Namespace, settings: dict[str, Any]) -> str | None:
    """What the rows of a plan tell of its run; None where `rotnet apply` keeps a journal of its own."""
    from rotnet.files.runs import run_of

    if options.in_place or options.journal or not (options.report or options.preview):
        return None
    return run_of(_journal_place(options), settings)


@contextmanager
def _earlier_run(options: argparse.Namespace, settings: dict[str, Any]) -> Iterator[Journal | None]:
    """The journal of an earlier run that a run of these options would go on from; None if there is none."""
    from rotnet.files import Journal

    place = _journal_place(options)
    if options.in_place or options.overwrite or not place.is_file():
        yield None
    else:
        with Journal(place, again=settings, within=_within(options)) as journal:
            yield journal if journal.goes_on else None


def _run_stream(options: argparse.Namespace, how: Turning) -> int:
    from rotnet.files import correct_bytes
    from rotnet.images.reading import open_file
    from rotnet.inference.predictor import as_predictor

    source = options.paths[0]
    if sys.stdout is None or (source == "-" and sys.stdin is None):
        raise UsageError("Standard input or output is closed: redirect them from and into files.")
    if sys.stdout.isatty():
        raise UsageError("The picture would go to the terminal: redirect standard output into a file.")
    predictor = as_predictor(options.model)
    with open_file(sys.stdin.buffer if source == "-" else source) as file:
        data = file.read()
    name = "standard input" if source == "-" else source
    upright, done = correct_bytes(data, predictor, asked_of(options), how, name=name)
    sys.stdout.buffer.write(upright)
    complain(shown_plan(done))
    return 0


def _others(paths: list[str], *, raw: bool) -> str:
    """What in the folders is not taken for pictures; people miss raw files, films and linked albums."""
    from rotnet.images.finding import LINKED_FOLDER, count_others, shown_links

    counts = count_others(paths, raw=raw)
    links = counts.pop(LINKED_FOLDER, 0)
    kinds = [
        f"{number} {extension or 'without extension'}"
        for extension, number in counts.most_common()
        if extension != ".xmp"  # sidecars go along
    ]
    told = [f"unsupported extension: {', '.join(kinds[:5])}{', ...' * (len(kinds) > 5)}"] if kinds else []
    return "; ".join([*told, *[f"not followed: {shown_links(links)}"] * (links > 0)])


def _plan(
    options: argparse.Namespace,
    finished: Collection[str] = (),
    part: Callable[[Path], bool] | None = None,
    *,
    interrupted: bool = False,
) -> Targets:
    from rotnet.files import is_nested, plan_in_place, plan_targets
    from rotnet.files.plan import default_advice

    advice = default_advice(in_place=options.in_place, interrupted=interrupted)
    shared: dict[str, Any] = {"finished": finished, "part": part, "raw": options.sidecar, "advice": advice}
    if options.in_place:
        return plan_in_place(options.paths, backup=options.backup, **shared)
    targets = plan_targets(options.paths, options.output, overwrite=options.overwrite, **shared)
    for folder in options.paths:
        if is_nested(options.output, folder):
            complain(f"{options.output} lies in {folder}: what is in it already is not corrected once more")
    return targets


def _streams(options: argparse.Namespace) -> bool:
    return "-" in options.paths or options.output == "-"


def _check(options: argparse.Namespace) -> None:
    """Refuse options that make no sense together."""
    if _streams(options):
        if len(options.paths) > 1 or options.output not in (None, "-"):
            raise UsageError("- is one picture from standard input to standard output: name nothing beside it.")
        for name in NOT_FOR_STREAMS:
            if getattr(options, name):
                raise UsageError(f"- is one picture that comes and goes: leave out --{name.replace('_', '-')}.")
    elif options.in_place and options.output:
        raise UsageError("-o OUT and --in-place exclude each other: results go into a folder, or replace originals.")
    elif not (options.in_place or options.output):
        raise UsageError("Say where the results go: into a folder with -o OUT, or --in-place.")
    elif options.output and _is_picture_name(options.output):
        raise UsageError(f"OUT is a folder, and {options.output} looks like a picture: name a folder, as -o straight/.")
    elif options.in_place and options.overwrite:
        raise UsageError("--overwrite is for results in a folder; --in-place replaces nothing but what it turns.")
    if options.shard and not options.report:
        raise UsageError("--shard leaves a table of what became of each picture: name its folder with --report DIR.")
    if options.shard and options.preview:
        raise UsageError("A page shows what one machine plans: with --shard, plan by --dry-run and see rotnet sample.")
    written = [os.path.realpath(one) for one in (options.report, options.preview, options.journal) if one]
    if len(set(written)) < len(written):
        raise UsageError("--report, --preview and --journal are written to a file each: give them different names.")
    if options.backup is not None and not options.in_place:
        raise UsageError("--backup is for --in-place: originals of results in a folder stay as they are anyway.")
    if options.resume and (options.dry_run or options.preview):
        raise UsageError("--resume goes on with work that was begun; --dry-run and --preview begin nothing.")


def _is_picture_name(name: str) -> bool:
    from rotnet.images.reading import EXTENSIONS

    return os.path.splitext(name)[1].lower() in EXTENSIONS and not os.path.lexists(name)
