"""What the tests of real processes have: a project for each test, the manager's log under each that fails."""

from tests.real.conftest import install, npm, npm_environment, project, pytest_runtest_makereport

__all__ = ["install", "npm", "npm_environment", "project", "pytest_runtest_makereport"]
