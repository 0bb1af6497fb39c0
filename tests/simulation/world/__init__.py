"""Worlds in which everything goes wrong, one for each seed, and the promises that hold in all of them.

| module | holds |
| --- | --- |
| `scenario` | what a world is, as data: the file, what its programs do, and what happens, in order |
| `generator` | a seed to a scenario |
| `play` | a scenario to a story: the real engine on a simulated machine |
| `happenings` | what each thing that happens does to the machine, the file and the manager |
| `truth` | what is really so, from the machine and from what was asked, whatever the engine believes |
| `promises` | what has to hold after everything that happens, and at the end |
| `shrink` | a scenario that breaks a promise to a smaller one that breaks it too |
| `bugs` | mistakes of the kind that peers made, planted to see that they are found |
| `__main__` | many seeds on the command line |
"""
