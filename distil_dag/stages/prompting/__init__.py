"""What models are asked: prompt files, delimiters around untrusted text, batches of prompts.

Put here what every prompt needs; not the prompt of one stage, whose text is a file in `prompts/` and whose
code stands beside the stage.
"""
