"""Valid calls only: from the schemas of tools to masks over the tokens of a vocabulary.

Put here what an answer may say; not the engine that says it, which is `adapters/serving`.
"""
