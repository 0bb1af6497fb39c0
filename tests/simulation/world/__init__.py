"""Worlds in which everything goes wrong, one for each seed, and the promises that hold in all of them.

| module | holds |
| --- | --- |
| `table` | one table of the file, and what the programs do that it may name |
| `scenario` | what a world is, as data: the file, and what happens, in order |
| `generator` | a seed to a scenario |
| `play` | a scenario to a story: the real engine on a simulated machine |
| `happenings` | what each thing that happens does to the machine, the file and the manager |
| `truth` | what is really so, from the machine and from what was asked, whatever the engine believes |
| `promises` | what has to hold after everything that happens |
| `rest` | what has to hold at the end, within the `bounds` that the configuration sets |
| `upkeep` | the same for what goes on around a run: memory, watched files, signals |
| `timetable` | the same for schedules: their times, counted apart from the engine |
| `shrink` | a scenario that breaks a promise to a smaller one that breaks it too |
| `bugs` | mistakes of the kind that peers made, or we, planted to see that they are found |
| `__main__` | many seeds on the command line |
"""
