"""What a run would cost before it is begun: a dry run of judging and synthesis, scaled up.

Put here how calls are counted and scaled; not the budget that stops a run, which is `adapters/chat`.
"""
