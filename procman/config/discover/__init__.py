"""What a folder already says about its apps, read from its files; nothing in it is ever run.

`look.discover` finds, `draft.draft` writes it down. Reading is generous and never fails: what cannot be
understood becomes a note, because a file that is half right is worth more than none.
"""
