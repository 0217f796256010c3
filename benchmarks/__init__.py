"""What is fast, measured side by side in one run: our figures beside the raw floors and a peer.

Run with `python -m benchmarks`; see docs/PERFORMANCE.md for what each figure means.
"""
