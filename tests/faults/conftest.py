"""What the tests of real processes have: a project for each test, the manager's log under each that fails."""

from tests.real.conftest import project, pytest_runtest_makereport

__all__ = ["project", "pytest_runtest_makereport"]
