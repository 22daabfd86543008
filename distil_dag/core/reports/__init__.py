"""What each stage says about its work: read by gates, shown as metadata, kept with the run.

Put here the figures of one stage, a file each; not how they are shown, which is `stages/reporting`.
"""
