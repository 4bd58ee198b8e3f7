"""Side by side with nginx and HAProxy: what a claim, a handshake, a gigabyte and an idle connection cost.

`python -m bench`, or `make bench`; bench/README.md says what is measured and how. Nothing of the product imports this.
"""
