"""What a model said, read: its thoughts come off, then its calls are found, whatever their form.

`parser.py` is the entry. A form is how calls are set off from words (tags, marks, a whole text of JSON); a
notation is how one call is written. A call that is recognised and can't be read is an error with the form's
name, never an answer without calls.
"""
