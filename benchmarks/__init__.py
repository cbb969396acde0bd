"""What tracking costs, beside bare runs and the best-known tracker. ``python -m benchmarks --help`` says how."""
