"""Every case, in the order of the recording: importing the rooms registers them."""

import cases_exchange  # noqa: F401
import cases_queue  # noqa: F401
from case import CASES  # noqa: F401
