"""The exit codes of every command, as scripts rely on them."""

DONE = 0
FAILED = 1  # an app failed or did not come up
USAGE = 2  # wrong usage, or an invalid file
NOT_RUNNING = 3  # no manager runs here
UNKNOWN_APP = 4
SURVIVED = 5  # something outlived a stop
TIMED_OUT = 124  # as `timeout` of coreutils says it
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE
