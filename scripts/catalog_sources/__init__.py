"""Readers of the packages that the bundled price catalog is made from.

Each reader takes the folder of one unpacked package and gives specs or prices; :mod:`catalog_sources.merge` decides
which of several prices is used. Nothing here is shipped.
"""
