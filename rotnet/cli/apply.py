"""`rotnet apply`: do what a report has planned."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import add_command, add_shard, path
from rotnet.cli.progress import add_progress, follow, open_report, shown_unsure
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.files import FileCorrection, Journal, Turning
    from rotnet.files.plan import Targets


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "apply",
        run,
        "turn pictures by a plan, or as you decided on the page of --preview",
        "rotnet correct photos/ -o straight/ --preview sheet.html --report report.jsonl",
        "rotnet apply decisions.jsonl",
        "rotnet apply report.jsonl",
        "rotnet apply plan.parquet --shard 3/16 --report report-3.jsonl",
        "rotnet apply plan.parquet --to s3://photos/2024",
        usage="REPORT [options]",
    )
    parser.add_argument(
        "plan",
        type=path,
        metavar="REPORT",
        help="JSON lines saved by the page of --preview or by --dry-run; or a Parquet table of --dry-run --shard",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are in OUT already")
    parser.add_argument(
        "--to",
        metavar="ADDRESS",
        help="copy into a cloud, below s3://bucket/folder say, under the names that the plan has",
    )
    add_progress(parser)
    add_shard(parser.add_argument_group("one of many machines, with a Parquet table"))


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.files import carry_out, check_targets
    from rotnet.files.outcomes import finished_of, take_up
    from rotnet.files.plan import default_advice
    from rotnet.files.report import row_of
    from rotnet.files.runs import options_of

    named = [os.path.realpath(one) for one in (options.plan, options.report, options.journal) if one]
    if len(set(named)) < len(named):
        raise UsageError("The plan, --report and --journal must be three files: give them different names.")
    decisions, how, run_name = _read(options)
    if options.shard and not decisions:
        print("the plan has no picture of this shard")
        return 0
    if not any(os.path.lexists(decision.path) for decision in decisions):
        raise UsageError(
            f"None of the {len(decisions)} pictures of {options.plan} is here: "
            "run it in the folder where the plan was made, for its paths start there."
        )
    if options.to:
        return _run_remotely(options, decisions, how)
    # a shard's own alone: that no two of the whole share a target was seen to when the plan was made
    targets = {decision.path: decision.target for decision in decisions if decision.target}
    in_place = all(source == target for source, target in targets.items())
    if in_place and options.overwrite:
        raise UsageError("--overwrite is for results in a folder; this plan replaces nothing but what it turns.")
    if in_place or options.journal:
        run_name = None
    settings = options_of(run_name, how) if run_name else vars(how)
    with _journal(options, targets, run_name, settings) as journal:
        if run_name:  # what it did before may have been decided otherwise
            decisions = take_up(decisions, how, journal, anew=options.overwrite and not options.resume)
        advice = default_advice(in_place=in_place, interrupted=journal.is_resumable)
        check_targets(
            targets,
            overwrite=options.overwrite,
            in_place=in_place,
            backup=how.backup,
            finished=journal.touched,
            advice=advice,
        )
        journal.begin(settings, forget=not in_place)  # before the report of an earlier run is emptied
        with open_report(options.report, targets) as report:
            with closing(
                carry_out(decisions, how, journal=journal, jobs=options.jobs, overwrite=options.overwrite)
            ) as results:
                return follow(
                    results,
                    len(targets),
                    write=lambda result: report(row_of(result)),
                    show=shown_unsure if options.list_unsure else None,
                    done=finished_of(targets, journal) if journal.goes_on else 0,
                    cuts=not how.sidecar,
                )


def _journal(options: argparse.Namespace, targets: Targets, run_name: str | None, settings: dict[str, Any]) -> Journal:
    """The journal of the run that a plan is of, so that `rotnet correct` goes on from it; else the plan's own."""
    from rotnet.files import Journal, journal_path
    from rotnet.files.plan import folder_above
    from rotnet.files.runs import journal_of

    if run_name:
        within = {folder_above(*pair) for pair in targets.items()}
        return Journal(journal_of(run_name), resume=options.resume, again=settings, joins=True, within=within)
    place = options.journal or journal_path("apply", os.path.realpath(options.plan), *map(str, options.shard or ()))
    return Journal(place, resume=options.resume, within={target.parent for target in targets.values()})


def _run_remotely(options: argparse.Namespace, decisions: list[FileCorrection], how: Turning) -> int:
    """Carry out a plan in a cloud."""
    from rotnet.engines.uploads import address_of, carry_out_to, check_addresses
    from rotnet.files import Journal, journal_path
    from rotnet.files.report import row_of

    check_addresses(decisions, options.to)
    targets = {decision.path: decision.target for decision in decisions if decision.target}
    plan, shard = os.path.realpath(options.plan), map(str, options.shard or ())
    place = options.journal or journal_path("apply", plan, options.to, *shard)

    def row(result: FileCorrection) -> dict[str, Any]:
        address = {"target": address_of(options.to, result.target)} if result.target else {}
        return {**row_of(result), **address}

    with Journal(place, resume=options.resume, within=()) as journal:
        journal.begin({**vars(how), "to": options.to})
        results = carry_out_to(
            options.to, decisions, how, journal=journal, jobs=options.jobs, overwrite=options.overwrite
        )
        with open_report(options.report, targets) as report, closing(results):
            return follow(
                results,
                len(targets),
                write=lambda result: report(row(result)),
                show=shown_unsure if options.list_unsure else None,
                cuts=not how.sidecar,
            )


def _read(options: argparse.Namespace) -> tuple[list[FileCorrection], Turning, str | None]:
    """What was decided, all of it or a shard, how pictures are to be turned, and which run that is of, if it tells."""
    from rotnet.files import report

    if not options.plan.endswith(".parquet"):
        if options.shard:
            raise UsageError("--shard is for Parquet tables: plan with rotnet correct --dry-run --shard --report DIR.")
        return report.read_plan(options.plan)
    from rotnet.engines import plans
    from rotnet.engines.shards import Shard

    return *plans.read_plan(options.plan, Shard(*(options.shard or (1, 1))).has), None
