"""Which of a task's runs is served: how all stand, who is released, and challenger against champion.

Put here what compares or chooses among runs; not how one run is evaluated.
"""
