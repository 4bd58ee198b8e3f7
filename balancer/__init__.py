"""Which node of a pool takes the next exchange. Knows nothing of sockets, TLS or HTTP."""
