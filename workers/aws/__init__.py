"""What workers, API and command line share of AWS: formats of tables and queues, and what is done with them.

Only here is known how a ledger and a registration are stored (`items`) and how a command (`messages`) and a dead letter
(`dead_letters`) are sent. With them `load` gathers, `commit` applies, `send` sends, `forget` finds what a person has.
"""
