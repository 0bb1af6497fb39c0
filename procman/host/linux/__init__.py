"""Linux: `/proc`, pidfds, cgroups, `sock_diag`, inotify, and the services of systemd."""
