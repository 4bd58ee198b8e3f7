"""Which node of a pool takes the next exchange. Knows nothing of sockets, TLS or HTTP."""

import settings  # noqa: F401 - chooses between compiled modules and pure Python before any is imported
