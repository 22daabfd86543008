"""Reading requests without a language model: words, spans, intents, slots and the values of arguments.

Put here what says which words of a request mean which call; not what asks a model.
"""
