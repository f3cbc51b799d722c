"""Access to AWS, shared by the workers, the API and the command line.

Only this package knows how ledgers and registrations are stored (`items`), and what commands (`messages`) and dead
letters (`dead_letters`) look like in a queue. `load` reads what a batch needs, `commit` writes what was decided, `send`
sends commands, and `erasure` finds a person's registrations.
"""
