"""What ships: parity of files with the checkpoint, the Modelfile, the model card.

Put here what is written beside a model file or checked of it; not the conversion itself, which is
`adapters/llamacpp`.
"""
