"""The one exception that means: you can mend this."""


class CenetError(Exception):
    """A mistake that the user can mend, told in one sentence: which file, what is wrong, what to do.

    The command line prints it without a traceback and exits with status 1.

    >>> str(CenetError("eye.png: the file is empty; copy it again"))
    'eye.png: the file is empty; copy it again'
    """
