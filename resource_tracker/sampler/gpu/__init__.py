"""GPUs: a port that a vendor's library joins, NVIDIA's behind it, and the collector above it.

``port`` says what a back end gives, ``nvml`` is the one there is, ``find`` chooses it. ``readings`` and ``rota`` say
what is read how often, ``worker`` keeps a slow driver out of the sampler's way, ``watch`` makes columns of readings,
``ownership`` and ``visible`` say what of a GPU is the step's, and ``collector`` joins them.
"""
