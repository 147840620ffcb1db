"""The one error that a user can cause and mend."""


class UserError(Exception):
    """A sentence for the user: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with 2; library users catch it.
    """


class NoSuchFieldError(UserError):
    """A method has no field of that name to set."""


class DivergedError(UserError):
    """Training left the numbers: its loss or gradients are not finite any more."""
