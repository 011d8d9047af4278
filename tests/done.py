"""Long jobs done to their end, for tests that need no events."""

from mirstore.store.experiments import running
from mirstore.store.ingest import run as ingesting


def ingest(*args, **options):
    """Return the summary of an ingest."""
    return ingesting.ingest(*args, **options).result()


def prepare(*args, **options):
    """Return the plan of an ingest."""
    return ingesting.preview(*args, **options).result().plan


def run(*args, **options):
    """Return what became of each case that ran."""
    return running.run(*args, **options).result()
