"""The one version of every fledge package: static text, read by the build of each of them."""

__version__ = "0.1.0"
