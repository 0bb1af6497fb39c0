"""procman: a declarative process manager that keeps a project's apps running."""

__version__ = "0.1.0"
