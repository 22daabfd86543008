"""The page of a server: a look at how far its students are trusted, without a script or an external file.

Put here what a browser shows; not how its figures are counted, which is `stages/serving`.
"""
