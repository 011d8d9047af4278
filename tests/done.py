"""Long jobs done to their end, for tests that need no events."""

import json

from mirstore.store.experiments import reporting, results, running
from mirstore.store.ingest import preview as previewing
from mirstore.store.ingest import run as ingesting


def ingest(*args, **options):
    """Return the summary of an ingest."""
    return ingesting.ingest(*args, **options).result()


def preview(*args, **options):
    """Return what an ingest would do."""
    return previewing.preview(*args, **options).result()


def prepare(*args, **options):
    """Return the plan of an ingest."""
    return preview(*args, **options).plan


def run(*args, **options):
    """Return what became of each case that ran."""
    return running.run(*args, **options).result()


def collect(*args, **options):
    """Return reports as the JSON that they are written as."""
    return [json.loads(json.dumps(report.as_dict())) for report in reporting.collect(*args, **options)]


def summaries(*args):
    """Return summaries of runs as the JSON that is printed of them."""
    return [summary.as_dict() for summary in results.summaries(*args)]
