"""Every case, in the order of the recording: importing the rooms registers them."""

import cases_access  # noqa: F401
import cases_basic  # noqa: F401
import cases_connection  # noqa: F401
import cases_exchange  # noqa: F401
import cases_operator  # noqa: F401
import cases_queue  # noqa: F401
import cases_routing  # noqa: F401
from case import CASES  # noqa: F401
